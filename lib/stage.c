#include "lib/stage.h"

#include <errno.h>
#include <string.h>

#include <skalibs/types.h>

#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/stageloop.h"
#include "lib/stream.h"

enum outcome { GO_ON, END, BROKEN };

static enum outcome
broken(struct stage *stage, char const *what, char const *line, size_t n)
{
  struct log log;
  stage_log(stage, &log, what);
  if (line)
    log_bytes(&log, "line", line, n);
  log_write(&log);
  return BROKEN;
}

/* Say the answer that a handler gave, or this one. */
static void
say(struct stage *stage, char const *answer)
{
  if (!answer)
    answer = stage->loop->answer;
  stream_put_line(answer, strlen(answer));
  stage->loop->answered = false;
}

static bool
is_positive(char const *answer)
{
  return answer[answer[0] == '!'] == '2';
}

static void
end_transaction(struct stage *stage)
{
  struct stage_loop *loop = stage->loop;
  if (stage->in_transaction && loop->handlers->reset)
    loop->handlers->reset(stage);
  stream_end_body();
  stage->in_transaction = false;
  stage->taken = 0;
  stage->passed = 0;
  loop->seen_rcpt = false;
  loop->mail_refused = false;
  loop->in_body = false;
  loop->refused = false;
  loop->sent_body = false;
  loop->queued = false;
  loop->answered = false;
}

static enum outcome
do_xclient(struct stage *stage, char const *line, size_t n, size_t rest)
{
  struct stage_loop *loop = stage->loop;
  if (loop->in_body)
    return broken(stage, "fatal: command out of order", line, n);
  end_transaction(stage);
  stage->session[0] = 0;
  if (!client_parse(line + rest, n - rest, &stage->client))
    return broken(stage, "fatal: malformed XCLIENT", line, n);
  if (loop->handlers->client)
    loop->handlers->client(stage);
  stream_put_line(line, n);
  return GO_ON;
}

/* "XNOTE blind=n" counts the stages that do not judge senders. */
static enum outcome
pass_blind(struct note const *note)
{
  char count[UINT32_FMT];
  uint32_t n = 0;
  if (!uint320_scan(note->value, &n))
    n = 0;
  count[uint32_fmt(count, n + 1)] = 0;
  stream_put_note("blind", count);
  return GO_ON;
}

static enum outcome
do_xnote(struct stage *stage, char const *line, size_t n, size_t rest)
{
  struct note note;
  struct stage_loop *loop = stage->loop;
  if (!command_note(line + rest, n - rest, &note))
    return broken(stage, "fatal: malformed XNOTE", line, n);
  if (!strcmp(note.key, "session") && note.value_bytes <= STAGE_SESSION_MAX)
    memcpy(stage->session, note.value, note.value_bytes + 1);
  if (!strcmp(note.key, "queued") && stage->in_transaction)
    loop->queued = true;
  if (!strcmp(note.key, "blind") && !loop->handlers->judges_sender)
    return pass_blind(&note);
  if (loop->handlers->note)
    loop->handlers->note(stage, &note);
  stream_put_line(line, n);
  return GO_ON;
}

static enum outcome
do_mail(struct stage *stage, char const *line, size_t n, size_t rest)
{
  struct envelope_command mail;
  struct stage_loop *loop = stage->loop;
  if (loop->in_body)
    return broken(stage, "fatal: command out of order", line, n);
  if (!command_envelope(VERB_MAIL, line + rest, n - rest, ADDRESS_LAX, &mail))
    return broken(stage, "fatal: malformed MAIL", line, n);
  end_transaction(stage);
  stage->in_transaction = true;
  if (loop->handlers->mail)
    loop->handlers->mail(stage, &mail);
  loop->mail_refused = loop->answered && !is_positive(loop->answer);
  loop->answered = false;
  if (loop->mail_refused)
    say(stage, NULL);
  else
    stream_put_line(line, n);
  return GO_ON;
}

static enum outcome
do_rcpt(struct stage *stage, char const *line, size_t n, size_t rest)
{
  struct envelope_command rcpt;
  struct stage_loop *loop = stage->loop;
  if (!stage->in_transaction || loop->in_body)
    return broken(stage, "fatal: command out of order", line, n);
  if (!command_envelope(VERB_RCPT, line + rest, n - rest, ADDRESS_LAX, &rcpt))
    return broken(stage, "fatal: malformed RCPT", line, n);
  loop->seen_rcpt = true;
  if (loop->mail_refused) {
    say(stage, "503 5.5.1 sender was refused");
    return GO_ON;
  }
  loop->parameter_count = loop->parameter_bytes = 0;
  if (loop->handlers->rcpt)
    loop->handlers->rcpt(stage, &rcpt);
  if (loop->answered) {
    stage->taken += is_positive(loop->answer);
    say(stage, NULL);
    return GO_ON;
  }
  if (n + loop->parameter_bytes + 1 > COMMAND_LINE_MAX ||
      rcpt.parameters + loop->parameter_count > COMMAND_PARAMETERS_MAX) {
    say(stage, "552 5.5.4 too many parameters");
    return GO_ON;
  }
  stage->passed++;
  stream_put(line, n);
  stream_put_line(loop->parameters, loop->parameter_bytes);
  return GO_ON;
}

static bool
is_live(struct stage const *stage)
{
  return stage->taken || stage->passed;
}

/* After body, piece or end: take note of a refusal. */
static void
settle(struct stage *stage)
{
  if (stage->loop->answered)
    stage->loop->refused = true;
}

static void
do_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct stage_loop *loop = stage->loop;
  if (loop->refused || !is_live(stage) || !loop->handlers->piece)
    return;
  loop->handlers->piece(stage, bytes, n);
  settle(stage);
  if (!loop->handlers->holds_body)
    stage_write(stage, bytes, n);
}

static void
finish_body(struct stage *stage, bool passed_last)
{
  struct stage_loop *loop = stage->loop;
  if (loop->mail_refused) {
    say(stage, "503 5.5.1 sender was refused");
  } else if (!is_live(stage)) {
    say(stage,
        loop->queued ? "250 2.6.0 queued" : "554 5.5.1 no valid recipients");
  } else {
    if (!loop->refused && loop->handlers->end)
      loop->handlers->end(stage);
    settle(stage);
    if (loop->refused) {
      if (loop->sent_body)
        stream_put("RSET\n", 5);
      say(stage, NULL);
    } else if (stage->passed) {
      if (!passed_last)
        stream_put_chunk(0, true);
    } else {
      broken(stage, "error: message not answered", NULL, 0);
      say(stage, "451 4.3.0 unable to take the message");
    }
  }
  end_transaction(stage);
}

/* The loop's end when the stream fails. */
static enum outcome
stream_failed(struct stage *stage, enum stream_result result)
{
  char const *reason = strerror(errno);
  struct log log;
  if (result == STREAM_TRUNCATED)
    return broken(stage, "fatal: the stream ends in the middle", NULL, 0);
  if (result == STREAM_TOO_LONG)
    return broken(stage, "fatal: line too long in the stream", NULL, 0);
  stage_log(stage, &log,
            result == STREAM_READ_ERROR ? "fatal: unable to read the stream"
                                        : "fatal: unable to write the stream");
  log_string(&log, "error", reason);
  log_write(&log);
  return BROKEN;
}

static void
begin_body(struct stage *stage)
{
  struct stage_loop *loop = stage->loop;
  loop->in_body = true;
  if (is_live(stage) && loop->handlers->body) {
    loop->handlers->body(stage);
    settle(stage);
  }
}

/* With a handler that sees pieces, each is framed anew as it is passed on;
 * else the chunk goes on as it came, but for a LAST that has to wait for the
 * end handler. Returns whether LAST went on. */
static bool
pass_chunk(struct stage *stage, uint64_t bytes, bool last)
{
  struct stage_loop *loop = stage->loop;
  if (!stage->passed || loop->refused || loop->handlers->piece)
    return false;
  last = last && !loop->handlers->end;
  if (bytes || last)
    stream_put_chunk(bytes, last);
  loop->sent_body = true;
  return last;
}

/* The bytes of a chunk. */
static enum stream_result
do_chunk(struct stage *stage, uint64_t left)
{
  struct stage_loop *loop = stage->loop;
  if (stage->passed && !loop->refused && !loop->handlers->piece)
    return stream_pass(left);
  while (left) {
    char const *bytes;
    size_t got;
    enum stream_result result = stream_piece(left, &bytes, &got);
    if (result != STREAM_OK)
      return result;
    do_piece(stage, bytes, got);
    left -= got;
  }
  return STREAM_OK;
}

static enum outcome
do_bdat(struct stage *stage, char const *line, size_t n, size_t rest)
{
  struct stage_loop *loop = stage->loop;
  uint64_t left;
  bool last;
  if (!command_bdat(line + rest, n - rest, &left, &last))
    return broken(stage, "fatal: malformed BDAT", line, n);
  if (!stage->in_transaction || !loop->seen_rcpt)
    return broken(stage, "fatal: command out of order", line, n);
  if (!loop->in_body)
    begin_body(stage);
  stream_widen(left);
  bool passed_last = pass_chunk(stage, left, last);
  enum stream_result result = do_chunk(stage, left);
  if (result != STREAM_OK)
    return stream_failed(stage, result);
  if (last)
    finish_body(stage, passed_last);
  return GO_ON;
}

static enum outcome
do_line(struct stage *stage, char const *line, size_t n)
{
  size_t rest;
  switch (command_verb(line, n, &rest)) {
  case VERB_XCLIENT:
    return do_xclient(stage, line, n, rest);
  case VERB_XNOTE:
    return do_xnote(stage, line, n, rest);
  case VERB_MAIL:
    return do_mail(stage, line, n, rest);
  case VERB_RCPT:
    return do_rcpt(stage, line, n, rest);
  case VERB_BDAT:
    return do_bdat(stage, line, n, rest);
  case VERB_RSET:
    end_transaction(stage);
    break;
  case VERB_ANSWER:
  case VERB_OTHER:
    break;
  }
  stream_put_line(line, n);
  return GO_ON;
}

int
stage_run(struct stage_handlers const *handlers, void *state)
{
  static char line[STREAM_LINE_MAX];
  static struct stage_loop loop;
  static struct stage stage;
  enum outcome outcome = GO_ON;
  loop.handlers = handlers;
  stage.state = state;
  stage.loop = &loop;
  while (outcome == GO_ON) {
    size_t n;
    enum stream_result result = stream_line(line, &n);
    if (result == STREAM_OK)
      outcome = do_line(&stage, line, n);
    else
      outcome = result == STREAM_END ? END : stream_failed(&stage, result);
  }
  end_transaction(&stage);
  stream_flush();
  return outcome == END ? EXIT_DONE : EXIT_TEMPORARY;
}
