/* The greeting, HELO and EHLO. */
#include "smtpd/session.h"

#include <string.h>

#include <skalibs/types.h>

/* name: a control file's value. */
static void
say_name(struct session *session, char const *code, char const *name)
{
  char line[sizeof "250-" + CONFIG_NAME_MAX];
  stpcpy(stpcpy(line, code), name);
  session_say(session, line);
}

static void
say_features(struct session *session)
{
  char size[sizeof "250-SIZE " + UINT64_FMT] = "250-SIZE ";
  say_name(session, "250-", session->config.me);
  session_say(session, "250-PIPELINING");
  size[9 + uint64_fmt(size + 9, session->config.data_bytes)] = 0;
  session_say(session, size);
  if (starttls_offered(session))
    session_say(session, "250-STARTTLS");
  if (authbait_offered(session))
    session_say(session, "250-AUTH LOGIN PLAIN");
  if (xclient_offered(session))
    session_say(session, "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR "
                         "DESTPORT");
  session_say(session, "250-ENHANCEDSTATUSCODES");
  session_say(session, "250-8BITMIME");
  session_say(session, "250-SMTPUTF8");
  session_say(session, "250 CHUNKING");
}

void
session_greet(struct session *session)
{
  strcpy(session->context, "connect");
  session->argument = "";
  say_name(session, "220 ", session->config.greeting);
}

void
session_helo(struct session *session, bool extended, char const *argument,
             size_t n)
{
  char *helo = session->client.helo;
  if (!n) {
    session_say_junk(session, extended ? "501 5.5.4 Syntax: EHLO hostname"
                                       : "501 5.5.4 Syntax: HELO hostname");
    return;
  }
  session_reset(session);
  if (n > CLIENT_VALUE_MAX)
    n = CLIENT_VALUE_MAX;
  for (size_t i = 0; i < n; i++)
    helo[i] = (char)(argument[i] == '\t' ? ' ' : argument[i]);
  helo[n] = 0;
  starttls_protocol(session, extended);
  session->said_client = false;
  if (extended && !session_has_words(session, "250")) {
    say_features(session);
    return;
  }
  say_name(session, "250 ", session->config.me);
}
