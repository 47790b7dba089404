/* MAIL and RCPT. */
#include "smtpd/session.h"

#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/command.h"
#include "lib/xtext.h"
#include "smtpd/smtp.h"

#define UNSOUND_LOGGED 10 /* commands of a session */

static enum address_mode
address_mode(struct session const *session)
{
  return session->config.strict ? ADDRESS_STRICT : ADDRESS_LAX;
}

/* Make the line of a MAIL or RCPT where the pipeline will find it, and keep a
 * copy. Returns its length; 0 if there is no room for a copy, and the pipeline
 * may be another's before the end. */
static size_t
make_line(struct session *session, char const *verb,
          struct envelope_command const *command)
{
  struct pipeline *pipeline = &session->pipeline;
  if (pipeline_pending(pipeline) == PIPELINE_EXPECTED_MAX)
    session_settle(session);
  char *line = pipeline_room(pipeline, COMMAND_LINE_MAX);
  size_t n = smtp_format(verb, command, line, COMMAND_LINE_MAX);
  return replay_add(&session->replay, line, n) || !pipeline->leased ? n : 0;
}

/* Send it, its answer to be taken later. */
static void
send_line(struct session *session, enum expected expected, size_t n)
{
  pipeline_add(&session->pipeline, n);
  pipeline_expect(&session->pipeline, expected);
}

/* What is wrong with parameters; NULL: nothing. */
static char const *
wrong_parameters(enum smtp_parameters verdict)
{
  switch (verdict) {
  case SMTP_PARAMETERS_UNKNOWN:
    return "555 5.5.4 Unsupported option";
  case SMTP_PARAMETERS_INVALID:
    return "501 5.5.4 Bad parameter";
  case SMTP_PARAMETERS_TOO_BIG:
    return "552 5.3.4 Message size exceeds fixed limit";
  case SMTP_PARAMETERS_OK:
    break;
  }
  return NULL;
}

/* It never comes to a stage, which would tell of it. */
static void
refuse(struct session *session, enum verb verb, char const *reply)
{
  struct log log;
  if (session->unsound++ < UNSOUND_LOGGED) {
    session_log(session, &log, "command refused");
    log_string(&log, "answer", reply);
    log_string(&log, "verb", verb == VERB_MAIL ? "MAIL" : "RCPT");
    log_bytes(&log, "argument", session->argument, session->argument_bytes);
    log_write(&log);
  }
  if (verb == VERB_RCPT) {
    session->refused++;
    session->refusals++;
  }
  if (!strncmp(reply, "552", 3)) /* which is no mistake */
    session_say(session, reply);
  else
    session_say_junk(session, reply);
}

/* Why a path cannot be taken: it is none, or there is no keyword before it. */
static char const *
wrong_path(char const *argument, size_t n, enum verb verb)
{
  char const *keyword = verb == VERB_MAIL ? "FROM:" : "TO:";
  if (n >= strlen(keyword) && !strncasecmp(argument, keyword, strlen(keyword)))
    return verb == VERB_MAIL ? "501 5.1.7 Bad sender address syntax"
                             : "501 5.1.3 Bad recipient address syntax";
  return verb == VERB_MAIL ? "501 5.5.4 Syntax: MAIL FROM:<address>"
                           : "501 5.5.4 Syntax: RCPT TO:<address>";
}

static void
start_transaction(struct session *session, struct envelope_command const *mail)
{
  memcpy(session->from, mail->address.text, mail->address.length + 1);
  session->mail_ms = clock_ms();
  session->seen_mail = true;
  session->junk = 0;
  session->body.passed = false;
  session->pipeline.queued[0] = 0;
  recording_keep(session);
  replay_start(&session->replay);
  size_t n = make_line(session, "MAIL FROM", mail);
  session->replay.decided = n;
  if (session->pipeline.blind) {
    session_say(session, "250 2.1.0 Ok");
    return;
  }
  session->said_envelope = true;
  send_line(session, EXPECT_MAIL, n);
}

void
transaction_mail(struct session *session, char const *argument, size_t n)
{
  struct envelope_command mail;
  if (session->seen_mail)
    session_settle(session);
  if (session->seen_mail) {
    session_say_junk(session, "503 5.5.1 Nested MAIL command");
    return;
  }
  if (session_wants_helo(session))
    return;
  if (!command_envelope(VERB_MAIL, argument, n, address_mode(session), &mail)) {
    refuse(session, VERB_MAIL, wrong_path(argument, n, VERB_MAIL));
    return;
  }
  char const *wrong = wrong_parameters(smtp_mail_parameters(
      &mail, session->config.data_bytes, session->config.authbait));
  if (wrong) {
    refuse(session, VERB_MAIL, wrong);
    return;
  }
  session_settle(session);
  session_end_transaction(session);
  if (!session_resume(session)) {
    session_say(session, PIPELINE_TROUBLE);
    return;
  }
  start_transaction(session, &mail);
}

void
transaction_rcpt(struct session *session, char const *argument, size_t n)
{
  struct envelope_command rcpt;
  size_t most = session->config.recipients_max;
  if (!session->seen_mail || session->in_bdat) {
    session_say_junk(session, session->in_bdat
                                  ? "503 5.5.1 RCPT not allowed after BDAT"
                                  : "503 5.5.1 Need MAIL command");
    return;
  }
  if (!command_envelope(VERB_RCPT, argument, n, address_mode(session), &rcpt)) {
    refuse(session, VERB_RCPT, wrong_path(argument, n, VERB_RCPT));
    return;
  }
  char const *wrong = wrong_parameters(smtp_rcpt_parameters(&rcpt));
  if (wrong) {
    refuse(session, VERB_RCPT, wrong);
    return;
  }
  if (session->accepted + session->undecided >= most)
    session_settle(session);
  if (session->accepted >= most) {
    session_say(session, "452 4.5.3 Too many recipients");
    return;
  }
  if (session->pipeline.broken || session->lost || !session_resume(session)) {
    session_say(session, PIPELINE_TROUBLE);
    return;
  }
  n = make_line(session, "RCPT TO", &rcpt);
  if (!n) {
    session_say(session, "452 4.5.3 Too many recipients");
    return;
  }
  session->undecided++;
  session->junk = 0;
  send_line(session, EXPECT_RCPT, n);
}
