#include "smtpd/session.h"

#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "lib/clock.h"
#include "smtpd/smtp.h"
#include "smtpd/ucspi.h"

void
session_log(struct session const *session, struct log *log, char const *event)
{
  log_start(log, event);
  log_string(log, "session", session->id);
  log_string(log, "ip", session->client.addr);
}

void
session_log_names(struct session const *session, struct log *log)
{
  log_string(log, "host", session->client.name);
  log_string(log, "helo", session->client.helo);
}

void
session_end_transaction(struct session *session)
{
  session->seen_mail = false;
  session->in_bdat = false;
  session->chunk_refusal = NULL;
  session->said_envelope = false;
  session->lost = false;
  session->pressed_ms = session->stalled_ms = 0;
  session->accepted = 0;
  session->refused = 0;
  session->undecided = 0;
}

void
session_hang_up(struct session *session, char const *why, char const *reply)
{
  if (session->why)
    return;
  if (reply)
    session_put(session, reply);
  session->why = why;
}

void
session_say_answer(struct session *session, struct answer const *answer)
{
  char reply[WIRE_REPLY_MAX];
  smtp_enhance(answer->text, reply, sizeof reply);
  if (answer->hangup)
    session_hang_up(session, "verdict", reply);
  else
    session_put(session, reply);
}

void
session_count(struct session *session, struct answer const *answer)
{
  if (answer->text[0] == '5' && answer->expected != EXPECT_RSET &&
      answer->expected != EXPECT_REPLAY)
    session->hard++;
}

static void
take_answer(struct session *session, struct answer const *answer)
{
  bool positive = answer->text[0] == '2';
  char context[sizeof session->context];
  size_t argument_bytes = session->argument_bytes;
  session_count(session, answer);
  switch (answer->expected) {
  case EXPECT_RSET:
    return;
  case EXPECT_REPLAY:
    session->lost = session->lost || !positive;
    return;
  case EXPECT_MAIL:
    if (!positive)
      session_end_transaction(session);
    break;
  case EXPECT_RCPT:
    if (session->undecided)
      session->undecided--;
    replay_decide(&session->replay, positive);
    if (positive) {
      session->accepted++;
      session->recipients++;
    } else {
      session->refused++;
      session->refusals++;
    }
    break;
  case EXPECT_LAST:
    break;
  }
  if (session->why)
    return;
  strcpy(context, session->context);
  strcpy(session->context, answer->expected == EXPECT_RCPT ? "RCPT" : "MAIL");
  session->argument_bytes = 0; /* it is the next command's */
  session_say_answer(session, answer);
  strcpy(session->context, context);
  session->argument_bytes = argument_bytes;
}

void
session_settle(struct session *session)
{
  while (pipeline_pending(&session->pipeline))
    take_answer(session, pipeline_answer(&session->pipeline));
}

void
session_say(struct session *session, char const *reply)
{
  session_settle(session);
  if (!session->why)
    session_put(session, reply);
}

void
session_say_junk(struct session *session, char const *reply)
{
  session_settle(session);
  if (++session->junk < session->config.junk_max)
    session_say(session, reply);
  else
    session_hang_up(session, "junk", "421 4.7.0 Too many errors, closing");
}

void
session_reset(struct session *session)
{
  session_settle(session);
  session_forget(session);
  session_settle(session);
  session_end_transaction(session);
}

/* Commands that change nothing but the count of those. */
static void
do_idle_command(struct session *session, enum smtp_verb verb)
{
  switch (verb) {
  case SMTP_NOOP:
    session_say_junk(session, "250 2.0.0 Ok");
    break;
  case SMTP_VRFY:
    session_say_junk(session, "252 2.0.0 Cannot VRFY user");
    break;
  case SMTP_HELP:
    session_say_junk(session, "214 2.0.0 See RFC 5321");
    break;
  case SMTP_EXPN:
  case SMTP_ETRN:
  case SMTP_TURN:
    session_say_junk(session, "502 5.5.1 Command not implemented");
    break;
  case SMTP_INVALID:
    session_say_junk(session, "500 5.5.2 Invalid character in command");
    break;
  default:
    session_say_junk(session, "500 5.5.2 Command not recognized");
    break;
  }
}

static void
do_rset(struct session *session)
{
  bool useful = session->seen_mail;
  session_reset(session);
  if (useful)
    session_say(session, "250 2.0.0 Ok");
  else
    session_say_junk(session, "250 2.0.0 Ok");
}

static void
do_quit(struct session *session)
{
  session_settle(session);
  session_hang_up(session, "quit", "221 2.0.0 Bye");
}

static void
do_command(struct session *session, char const *line, size_t n)
{
  size_t rest, argument_bytes;
  enum smtp_verb verb = smtp_verb(line, n, &rest, &argument_bytes);
  char const *argument = line + rest;
  session->commands++;
  if (session->auth.step != AUTHBAIT_IDLE) {
    authbait_line(session, line, n);
    return;
  }
  recording_command(session, line, n);
  session_set_context(session, line, n);
  session->argument = argument;
  session->argument_bytes = argument_bytes;
  switch (verb) {
  case SMTP_HELO:
  case SMTP_EHLO:
    session_helo(session, verb == SMTP_EHLO, argument, argument_bytes);
    break;
  case SMTP_MAIL:
    transaction_mail(session, argument, argument_bytes);
    break;
  case SMTP_RCPT:
    transaction_rcpt(session, argument, argument_bytes);
    break;
  case SMTP_DATA:
    message_data(session, argument_bytes);
    break;
  case SMTP_BDAT:
    message_bdat(session, argument, argument_bytes);
    break;
  case SMTP_AUTH:
    authbait_begin(session, argument, argument_bytes);
    break;
  case SMTP_XCLIENT:
    xclient(session, argument, argument_bytes);
    break;
  case SMTP_STARTTLS:
    starttls(session, argument_bytes);
    break;
  case SMTP_RSET:
    do_rset(session);
    break;
  case SMTP_QUIT:
    do_quit(session);
    break;
  case SMTP_HTTP:
    session_settle(session);
    session_hang_up(session, "http", "421 4.7.0 Closing connection");
    break;
  default:
    do_idle_command(session, verb);
    break;
  }
  session->argument_bytes = 0;
}

/* The connection failed or was given up: the last words, and the reason. */
static void
lose(struct session *session)
{
  switch (session->wire.status) {
  case WIRE_OPEN:
    break;
  case WIRE_EOF:
    session_hang_up(session, "eof", NULL);
    break;
  case WIRE_ERROR:
    session_hang_up(session, "reset", NULL);
    break;
  case WIRE_IDLE:
    session_hang_up(session, "timeout", "421 4.4.2 Timeout, closing");
    break;
  case WIRE_EXPIRED:
    session_hang_up(session, "expired", "421 4.4.2 Timeout, closing");
    break;
  case WIRE_TERMINATED:
    session_hang_up(session, "terminated", "421 4.3.2 Service shutting down");
    break;
  }
}

static void
serve(struct session *session)
{
  while (!session->why) {
    char *line;
    size_t n;
    bool has_line = wire_has_line(&session->wire);
    if (has_line)
      wire_heed(&session->wire);
    if (session->wire.alarmed)
      session_hear_pool(session);
    if (session->wire.pressed || !has_line) {
      session_settle(session);
      session_yield(session);
    }
    if (session->why)
      break;
    switch (wire_line(&session->wire, &line, &n)) {
    case WIRE_LINE:
      do_command(session, line, n);
      break;
    case WIRE_LINE_TOO_LONG:
      recording_long_line(session, line, n);
      session_say_junk(session, "500 5.5.2 Line too long");
      break;
    case WIRE_LINE_TLS:
      session_settle(session);
      session_hang_up(session, "tls", NULL);
      break;
    case WIRE_LINE_ALARM:
    case WIRE_LINE_FAILED:
      break;
    }
    if (session->wire.status != WIRE_OPEN) {
      session_settle(session);
      lose(session);
    }
  }
}

static void
log_end(struct session const *session)
{
  struct log log;
  session_log(session, &log, "end");
  log_string(&log, "why", session->why);
  log_number(&log, "messages", session->messages);
  log_number(&log, "rcpt", session->recipients);
  log_number(&log, "refused", session->refusals);
  log_number(&log, "hard", session->hard);
  log_number(&log, "commands", session->commands);
  log_number(&log, "bytes", session->wire.bytes_read);
  log_seconds(&log, "seconds", (uint64_t)(clock_ms() - session->started_ms));
  recording_log(session, &log, true);
  session_log_names(session, &log);
  log_write(&log);
}

/* SECONDS.MICROSECONDS.PID */
static void
make_id(struct session *session)
{
  struct timespec now;
  char *id = session->id;
  clock_utc(&now);
  id += uint64_fmt(id, (uint64_t)now.tv_sec);
  /* seven digits, of which the dot takes the first */
  uint32_fmt(id, 1000000 + (uint32_t)(now.tv_nsec / 1000));
  *id = '.';
  id[7] = '.';
  id += 8;
  id[uint64_fmt(id, (uint64_t)getpid())] = 0;
}

void
session_run(struct session *session)
{
  struct config const *config = &session->config;
  make_id(session);
  wire_init(&session->wire, 0, 1, (int64_t)config->session_s * 1000);
  session->wire.idle_ms = (int64_t)config->idle_s * 1000;
  session->wire.line_max = config->line_bytes;
  if (session->pipeline.running)
    wire_watch(&session->wire, session->pipeline.lease.socket);
  session->started_ms = clock_ms();
  ucspi_client(&session->client);
  facts_of_environment(&session->facts);
  recording_begin(session);
  starttls_begin(session);
  session_greet(session);
  serve(session);
  bool linger =
      strcmp(session->why, "quit") != 0 || wire_has_input(&session->wire);
  if (linger) /* which takes a while */
    session_give_back(session);
  wire_close(&session->wire, linger);
  recording_end(session);
  log_end(session);
}

void
session_end(struct session *session)
{
  if (session->pipeline.leased)
    session_reset(session);
  pipeline_end(&session->pipeline);
}
