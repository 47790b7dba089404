#include "smtpd/authbait.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/transfer.h"
#include "smtpd/session.h"

#define CODED_MAX 2048 /* bytes of base64 that are looked at */

bool
authbait_offered(struct session const *session)
{
  return session->config.authbait && !session->auth.accepted;
}

/* One field of what was decoded, into out: up to a NUL. Returns what is behind
 * it. */
static char const *
take_field(char const *from, char const *end, char *out)
{
  size_t used = 0;
  for (; from < end && *from; from++)
    if (used < AUTHBAIT_TEXT_MAX)
      out[used++] = (char)(ascii_is_control(*from) ? '?' : *from);
  out[used] = 0;
  return from < end ? from + 1 : end;
}

static size_t
decode(char const *text, size_t n, char *out)
{
  struct transfer transfer = {.encoding = TRANSFER_BASE64};
  if (n > CODED_MAX)
    n = CODED_MAX;
  size_t used = transfer_decode(&transfer, text, n, out);
  return used + transfer_end(&transfer, out + used);
}

static void
keep(struct session *session, char const *name, char const *value)
{
  char key[32];
  snprintf(key, sizeof key, "auth.%u.%s", session->auth.tries, name);
  facts_add(&session->facts, key, value);
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

/* What follows is authorization id, name, password, with NULs between. */
static void
take_plain(struct session *session, char const *text, size_t n)
{
  char bytes[TRANSFER_ROOM(CODED_MAX) + 5] = "", as[AUTHBAIT_TEXT_MAX + 1];
  char secret[AUTHBAIT_TEXT_MAX + 1];
  char const *end = bytes + decode(text, n, bytes);
  char const *from = take_field(bytes, end, as);
  from = take_field(from, end, session->auth.user);
  take_field(from, end, secret);
  judge(session, "PLAIN", secret);
}

static void
take_user(struct session *session, char const *text, size_t n)
{
  char bytes[TRANSFER_ROOM(CODED_MAX) + 5] = "";
  take_field(bytes, bytes + decode(text, n, bytes), session->auth.user);
  session->auth.step = AUTHBAIT_SECRET;
  session_say(session, "334 UGFzc3dvcmQ6");
}

static void
take_secret(struct session *session, char const *text, size_t n)
{
  char bytes[TRANSFER_ROOM(CODED_MAX) + 5] = "", secret[AUTHBAIT_TEXT_MAX + 1];
  take_field(bytes, bytes + decode(text, n, bytes), secret);
  judge(session, "LOGIN", secret);
}

void
authbait_line(struct session *session, char const *line, size_t n)
{
  enum authbait_step step = session->auth.step;
  session->auth.step = AUTHBAIT_IDLE;
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
