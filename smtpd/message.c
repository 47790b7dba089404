/* DATA and BDAT: the body, from the wire into the pipeline. */
#include "smtpd/session.h"

#include <string.h>

#include <skalibs/types.h>

#include "lib/command.h"

/* A body is not judged by its rate before it has had this time. */
#define RATE_GRACE_MS 60000

static char const trouble[] = "451 4.3.0 Temporary server error";
static char const too_big[] = "552 5.3.4 Message too big for system";

static void
start_body(struct session *session, enum dot_state state)
{
  struct body *body = &session->body;
  body->state = state;
  body->discard = false;
  body->refusal = NULL;
  body->bytes = 0;
  body->wire_bytes = 0;
  body->started_ms = wire_now_ms();
}

/* Read the rest, but pass nothing on. */
static void
refuse_body(struct session *session, char const *refusal)
{
  struct body *body = &session->body;
  if (body->discard)
    return;
  body->discard = true;
  body->refusal = refusal;
  if (session->seen_mail && !session->pipeline.broken) {
    pipeline_put(&session->pipeline, "RSET\n", 5);
    pipeline_expect(&session->pipeline, EXPECT_RSET);
  }
}

static void
pass_piece(struct session *session, size_t n, bool last)
{
  struct body *body = &session->body;
  struct pipeline *pipeline = &session->pipeline;
  char header[sizeof "BDAT  LAST\n" + UINT64_FMT] = "BDAT ";
  uint64_t limit = session->config->data_bytes;
  body->bytes += n;
  if (limit && body->bytes > limit)
    refuse_body(session, too_big);
  if (pipeline->broken)
    refuse_body(session, trouble);
  if (body->discard || (!n && !last))
    return;
  size_t used = 5 + uint64_fmt(header + 5, n);
  if (last) {
    memcpy(header + used, " LAST", 5);
    used += 5;
  }
  header[used++] = '\n';
  pipeline_put(pipeline, header, used);
  pipeline_put(pipeline, body->space, n);
}

/* Whether the body came too slowly so far; then the session ends. */
static bool
is_too_slow(struct session *session)
{
  uint64_t rate = session->config->bytes_per_s;
  int64_t taken_ms = wire_now_ms() - session->body.started_ms;
  if (!rate || taken_ms < RATE_GRACE_MS ||
      session->body.wire_bytes >= rate * (uint64_t)taken_ms / 1000)
    return false;
  session_hang_up(session, "slow", "421 4.4.2 Timeout, closing");
  return true;
}

static void
log_message(struct session const *session, char const *answer)
{
  struct log log;
  session_log(session, &log, "message");
  log_number(&log, "rcpt", session->accepted);
  log_number(&log, "refused", session->refused);
  log_number(&log, "bytes", session->body.bytes);
  if (answer[0] == '2' && session->pipeline.queued[0])
    log_string(&log, "id", session->pipeline.queued);
  log_string(&log, "answer", answer);
  log_seconds(&log, "seconds", (uint64_t)(wire_now_ms() - session->mail_ms));
  log_string(&log, "from", session->from);
  session_log_names(session, &log);
  log_write(&log);
}

/* The body is whole: get the pipeline's answer, or give our refusal. */
static void
finish_message(struct session *session)
{
  struct body *body = &session->body;
  if (body->discard) {
    session_settle(session);
    log_message(session, body->refusal);
    session_say(session, body->refusal);
  } else {
    struct answer answer;
    pipeline_expect(&session->pipeline, EXPECT_LAST);
    answer = *pipeline_answer(&session->pipeline);
    log_message(session, answer.text);
    session->messages += answer.text[0] == '2';
    session_say_answer(session, &answer);
  }
  session_end_transaction(session);
}

/* Take DATA's body off the wire. 1 when its end has come, 0 if the client is
 * gone or too slow. */
static int
relay_data(struct session *session)
{
  struct body *body = &session->body;
  while (body->state != DOT_END) {
    char const *bytes;
    size_t made;
    size_t n = wire_piece(&session->wire, &bytes);
    if (!n)
      return 0;
    size_t taken = dot_decode(&body->state, bytes, n, body->space, &made);
    wire_take(&session->wire, taken);
    body->wire_bytes += taken;
    pass_piece(session, made, body->state == DOT_END);
    if (body->state == DOT_END)
      break;
    pipeline_flush(&session->pipeline);
    if (is_too_slow(session))
      return 0;
  }
  return 1;
}

/* Whether a body may begin; else says why not. */
static bool
may_begin(struct session *session)
{
  session_settle(session);
  if (session->why)
    return false;
  if (!session->seen_mail)
    session_say_junk(session, "503 5.5.1 Need MAIL command");
  else if (session->pipeline.broken)
    session_say(session, trouble);
  else if (!session->accepted)
    session_say_junk(session, "554 5.5.1 No valid recipients");
  else
    return true;
  return false;
}

void
message_data(struct session *session, size_t argument_bytes)
{
  if (argument_bytes) {
    session_say_junk(session, "501 5.5.4 Syntax: DATA");
    return;
  }
  if (session->in_bdat) {
    session_say_junk(session, "503 5.5.1 DATA not allowed after BDAT");
    return;
  }
  if (!may_begin(session))
    return;
  session->junk = 0;
  session_say(session, "354 End data with <CR><LF>.<CR><LF>");
  start_body(session, DOT_LINE_START);
  if (relay_data(session))
    finish_message(session);
}

/* Read n bytes of a chunk. 1, or 0 if the client is gone or too slow. */
static int
relay_chunk(struct session *session, uint64_t left, bool last)
{
  struct body *body = &session->body;
  while (left) {
    char const *bytes;
    size_t n = wire_piece(&session->wire, &bytes);
    if (!n)
      return 0;
    if (n > left)
      n = (size_t)left;
    size_t made = dot_newlines(&body->state, bytes, n, body->space);
    wire_take(&session->wire, n);
    left -= n;
    body->wire_bytes += n;
    if (last && !left)
      made += dot_flush(&body->state, body->space + made);
    pass_piece(session, made, last && !left);
    if (last && !left)
      return 1;
    pipeline_flush(&session->pipeline);
    if (is_too_slow(session))
      return 0;
  }
  if (last)
    pass_piece(session, dot_flush(&body->state, body->space), true);
  return 1;
}

/* A chunk of no message: it has to be read all the same (RFC 3030 section 2),
 * before the next command. */
static void
drop_chunk(struct session *session, uint64_t left)
{
  while (left) {
    char const *bytes;
    size_t n = wire_piece(&session->wire, &bytes);
    if (!n)
      return;
    if (n > left)
      n = (size_t)left;
    wire_take(&session->wire, n);
    left -= n;
  }
}

void
message_bdat(struct session *session, char const *argument, size_t n)
{
  uint64_t bytes;
  bool last;
  if (!command_bdat(argument, n, &bytes, &last)) {
    session_say_junk(session, "501 5.5.4 Syntax: BDAT count [LAST]");
    return;
  }
  if (!session->in_bdat && !may_begin(session)) {
    drop_chunk(session, bytes);
    return;
  }
  session->junk = 0;
  if (!session->in_bdat)
    start_body(session, DOT_LINE);
  session->in_bdat = true;
  if (!relay_chunk(session, bytes, last))
    return;
  if (last || session->body.discard)
    finish_message(session);
  else
    session_say(session, "250 2.0.0 Ok");
}
