/* DATA and BDAT. */
#include "smtpd/session.h"

#include <string.h>

#include <skalibs/types.h>

#include "lib/clock.h"
#include "lib/command.h"
#include "smtpd/smtp.h"

/* The first recipient that was taken: its line in the replay begins as it was,
 * those that were refused do not. */
static void
log_first_recipient(struct session const *session, struct log *log)
{
  static char const verb[] = "RCPT TO:";
  size_t n = strlen(verb);
  struct replay const *replay = &session->replay;
  char const *end = replay->lines + replay->decided, *lf;
  struct address to;
  for (char const *p = replay->lines;
       p < end && (lf = memchr(p, '\n', (size_t)(end - p))); p = lf + 1)
    if ((size_t)(lf - p) > n && !memcmp(p, verb, n) &&
        address_parse(p + n, (size_t)(lf - p) - n, ADDRESS_LAX, &to)) {
      log_string(log, "to", to.text);
      return;
    }
}

static void
log_message(struct session const *session, char const *answer)
{
  struct log log;
  char reply[WIRE_REPLY_MAX];
  smtp_enhance(answer, reply, sizeof reply); /* as it is said */
  session_log(session, &log, "message");
  log_number(&log, "rcpt", session->accepted);
  log_number(&log, "refused", session->refused);
  log_number(&log, "bytes", session->body.bytes);
  if (answer[0] == '2' && session->pipeline.queued[0])
    log_string(&log, "id", session->pipeline.queued);
  log_string(&log, "answer", answer);
  if (session_has_words(session, reply))
    session_log_words(session, &log, reply);
  log_seconds(&log, "seconds", (uint64_t)(clock_ms() - session->mail_ms));
  recording_log(session, &log, false);
  log_string(&log, "from", session->from);
  log_first_recipient(session, &log);
  session_log_names(session, &log);
  log_write(&log);
  clock_settle(); /* more may come, of this client or the next */
}

/* The body is whole: get the pipeline's answer, or give our refusal. */
static void
finish_message(struct session *session)
{
  struct body *body = &session->body;
  if (body->discard) {
    session_settle(session);
    session_answer_body(session);
    log_message(session, body->refusal);
    session_say(session, body->refusal);
  } else {
    struct answer answer;
    pipeline_expect(&session->pipeline, EXPECT_LAST);
    answer = *pipeline_answer(&session->pipeline);
    session_answer_body(session);
    session_count(session, &answer);
    session->messages += answer.text[0] == '2';
    log_message(session, answer.text);
    session_say_answer(session, &answer);
  }
  recording_next(session);
  session_end_transaction(session);
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
  else if (session->pipeline.broken || session->lost)
    session_say(session, PIPELINE_TROUBLE);
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
  body_start(session, DOT_LINE_START);
  if (body_data(session))
    finish_message(session);
}

/* A chunk of no message: it has to be read all the same (RFC 3030 section 2),
 * before the next command. */
static void
drop_chunk(struct session *session, uint64_t left)
{
  while (left) {
    char const *bytes;
    if (!wire_has_input(&session->wire))
      session_give_back(session);
    size_t n = wire_piece(&session->wire, &bytes);
    if (!n)
      return;
    if (n > left)
      n = (size_t)left;
    wire_take(&session->wire, n);
    left -= n;
  }
}

/* The chunk has come where its command's line was. */
static void
say_taken(struct session *session, uint64_t chunk_bytes)
{
  char count[UINT64_FMT];
  session->argument = count;
  session->argument_bytes = uint64_fmt(count, chunk_bytes);
  session_say(session, "250 2.0.0 Ok");
  session->argument = "";
  session->argument_bytes = 0;
}

/* Whether a chunk is of a message that is taken; else says why not. */
static bool
may_take_chunk(struct session *session)
{
  if (!session->chunk_refusal)
    return session->in_bdat || may_begin(session);
  session_say_junk(session, session->chunk_refusal);
  return false;
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
  if (!may_take_chunk(session)) {
    if (session->why)
      return;
    drop_chunk(session, bytes);
    if (last)
      session->chunk_refusal = NULL;
    /* What follows is another message, or misses this chunk. */
    if (session->seen_mail && (last || !session->accepted))
      session_reset(session);
    return;
  }
  session->junk = 0;
  if (!session->in_bdat)
    body_start(session, DOT_LINE);
  session->in_bdat = true;
  session->argument_bytes = 0;
  if (!body_chunk(session, bytes, last))
    return;
  if (!last && !session->body.discard) {
    say_taken(session, bytes);
    return;
  }
  finish_message(session);
  if (!last)
    session->chunk_refusal = session->body.refusal;
}
