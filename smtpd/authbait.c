#include "smtpd/authbait.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "smtpd/authtext.h"
#include "smtpd/session.h"

/* Bytes of facts that tries leave for what is found out later. */
#define ROOM_FOR_OTHERS 512

bool
authbait_offered(struct session const *session)
{
  return session->config.authbait && !session->auth.accepted;
}

static void
keep(struct session *session, char const *name, char const *value)
{
  char key[32];
  struct facts *facts = &session->facts;
  size_t before = facts->used;
  snprintf(key, sizeof key, "auth.%u.%s", session->auth.tries, name);
  facts_add(facts, key, value);
  if (facts->used > FACTS_MAX - ROOM_FOR_OTHERS)
    facts->used = before;
}

/* A try: neither name nor password is logged. */
static void
judge(struct session *session, char const *method, char const *secret)
{
  struct authbait *auth = &session->auth;
  struct log log;
  auth->step = AUTHBAIT_IDLE;
  auth->accepted = ++auth->tries == session->config.authbait_nth;
  if (auth->tries <= AUTHBAIT_KEPT) {
    keep(session, "method", method);
    keep(session, "user", auth->user);
    keep(session, "secret", secret);
    session->said_client = false;
  }
  recording_keep(session);
  session_log(session, &log, "auth");
  log_string(&log, "method", method);
  log_number(&log, "try", auth->tries);
  log_string(&log, "answer", auth->accepted ? "235" : "535");
  log_write(&log);
  if (!auth->accepted) {
    session_say_junk(session, "535 5.7.8 Authentication failed");
    return;
  }
  starttls_protocol(session, true);
  session->junk = 0;
  session_say(session, "235 2.7.0 Authentication successful");
}

static void
take_plain(struct session *session, char const *text, size_t n)
{
  char secret[AUTHTEXT_MAX + 1];
  authtext_plain(text, n, session->auth.user, secret);
  judge(session, "PLAIN", secret);
}

static void
take_user(struct session *session, char const *text, size_t n)
{
  authtext_word(text, n, session->auth.user);
  session->auth.step = AUTHBAIT_SECRET;
  session_say(session, "334 UGFzc3dvcmQ6");
}

static void
take_secret(struct session *session, char const *text, size_t n)
{
  char secret[AUTHTEXT_MAX + 1];
  authtext_word(text, n, secret);
  judge(session, "LOGIN", secret);
}

void
authbait_line(struct session *session, char const *line, size_t n)
{
  enum authbait_step step = session->auth.step;
  session->auth.step = AUTHBAIT_IDLE;
  while (n && line[n - 1] == '\r') /* as smtp_verb() has it */
    n--;
  if (n == 1 && *line == '*')
    session_say_junk(session, "501 5.7.0 Authentication cancelled");
  else if (step == AUTHBAIT_PLAIN)
    take_plain(session, line, n);
  else if (step == AUTHBAIT_USER)
    take_user(session, line, n);
  else
    take_secret(session, line, n);
}

void
authbait_begin(struct session *session, char const *argument, size_t n)
{
  size_t word = 0;
  if (!session->config.authbait) {
    session_say_junk(session, "500 5.5.2 Command not recognized");
    return;
  }
  if (session->auth.accepted || session->seen_mail) {
    session_say_junk(session, "503 5.5.1 AUTH not allowed now");
    return;
  }
  while (word < n && !ascii_is_blank(argument[word]))
    word++;
  bool is_plain = word == 5 && !strncasecmp(argument, "PLAIN", 5);
  if (!is_plain && (word != 5 || strncasecmp(argument, "LOGIN", 5) != 0)) {
    session_say_junk(session, "504 5.5.4 Unrecognized authentication type");
    return;
  }
  argument += word;
  n -= word;
  for (; n && ascii_is_blank(*argument); n--)
    argument++;
  if (n && is_plain)
    take_plain(session, argument, n);
  else if (n)
    take_user(session, argument, n);
  else {
    session->auth.step = is_plain ? AUTHBAIT_PLAIN : AUTHBAIT_USER;
    session_say(session, is_plain ? "334 " : "334 VXNlcm5hbWU6");
  }
}
