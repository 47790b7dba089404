/* MAIL and RCPT. */
#include "smtpd/session.h"

#include <string.h>

#include "lib/command.h"
#include "lib/xtext.h"
#include "smtpd/smtp.h"

static char const trouble[] = "451 4.3.0 Temporary server error";

static enum address_mode
address_mode(struct session const *session)
{
  return session->config->strict ? ADDRESS_STRICT : ADDRESS_LAX;
}

/* See that a pipeline runs and knows the client. 1 or 0. */
static int
ready_pipeline(struct session *session)
{
  struct pipeline *pipeline = &session->pipeline;
  char line[CLIENT_LINE_MAX];
  if (pipeline->running && pipeline->broken)
    pipeline_end(pipeline);
  if (!pipeline->running) {
    if (!pipeline_start(pipeline))
      return 0;
    session->said_client = false;
  }
  if (session->said_client)
    return 1;
  pipeline_put(pipeline, line, client_format(&session->client, line));
  pipeline_put(pipeline, "XNOTE session=", 14);
  pipeline_put(pipeline, session->id, strlen(session->id));
  pipeline_put(pipeline, "\n", 1);
  session->said_client = true;
  return 1;
}

/* Put a MAIL or RCPT into the pipeline, its answer to be taken later. */
static void
send_command(struct session *session, enum expected expected,
             struct envelope_command const *command)
{
  char line[COMMAND_LINE_MAX];
  size_t n = smtp_format(expected == EXPECT_MAIL ? "MAIL FROM" : "RCPT TO",
                         command, line, sizeof line);
  if (!n) {
    session_say_junk(session, "500 5.5.2 Line too long");
    return;
  }
  if (pipeline_pending(&session->pipeline) == PIPELINE_EXPECTED_MAX)
    session_settle(session);
  pipeline_put(&session->pipeline, line, n);
  pipeline_expect(&session->pipeline, expected);
  session->junk = 0;
  if (expected == EXPECT_RCPT)
    session->undecided++;
}

/* Say what is wrong with parameters. Returns whether they are right. */
static bool
say_parameters(struct session *session, enum smtp_parameters verdict)
{
  switch (verdict) {
  case SMTP_PARAMETERS_OK:
    return true;
  case SMTP_PARAMETERS_UNKNOWN:
    session_say_junk(session, "555 5.5.4 Unsupported option");
    break;
  case SMTP_PARAMETERS_INVALID:
    session_say_junk(session, "501 5.5.4 Bad parameter");
    break;
  case SMTP_PARAMETERS_TOO_BIG:
    session_say(session, "552 5.3.4 Message size exceeds fixed limit");
    break;
  }
  return false;
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
  if (!command_envelope(VERB_MAIL, argument, n, address_mode(session), &mail)) {
    session_say_junk(session, "501 5.1.7 Bad sender address syntax");
    return;
  }
  if (!say_parameters(session,
                      smtp_mail_parameters(&mail, session->config->data_bytes)))
    return;
  session_settle(session);
  session_end_transaction(session);
  if (!ready_pipeline(session)) {
    session_say(session, trouble);
    return;
  }
  memcpy(session->from, mail.address.text, mail.address.length + 1);
  session->mail_ms = wire_now_ms();
  session->seen_mail = true;
  send_command(session, EXPECT_MAIL, &mail);
}

void
transaction_rcpt(struct session *session, char const *argument, size_t n)
{
  struct envelope_command rcpt;
  size_t most = session->config->recipients_max;
  if (!session->seen_mail || session->in_bdat) {
    session_say_junk(session, session->in_bdat
                                  ? "503 5.5.1 RCPT not allowed after BDAT"
                                  : "503 5.5.1 Need MAIL command");
    return;
  }
  if (!command_envelope(VERB_RCPT, argument, n, address_mode(session), &rcpt)) {
    session_say_junk(session, "501 5.1.3 Bad recipient address syntax");
    return;
  }
  if (!say_parameters(session, smtp_rcpt_parameters(&rcpt)))
    return;
  if (session->accepted + session->undecided >= most)
    session_settle(session);
  if (session->accepted >= most) {
    session_say(session, "452 4.5.3 Too many recipients");
    return;
  }
  send_command(session, EXPECT_RCPT, &rcpt);
}
