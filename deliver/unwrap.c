/* unwrap: a filter that takes messages out of messages that hold some, each
 * into a job of its own. Specified in unwrap(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "deliver/embedded.h"
#include "deliver/ending.h"
#include "deliver/jobmetadata.h"
#include "deliver/storage.h"
#include "lib/exitcode.h"
#include "lib/jobwriter.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/spool.h"
#include "lib/stage.h"

#define USAGE "unwrap [-c] [-b bytes] [-a answer] [-p priority] directory"
#define BYTES_DEFAULT 100000000
#define BLOCK 65536
#define PLACE "unwrapped" /* the key of a job's "2/3" */

struct state {
  struct jobwriter writer;
  struct envelope envelope;
  struct notes notes;
  struct jobmetadata metadata;
  bool copies; /* pass on what was unwrapped, too */
  char const *answer;
  uint64_t most; /* bytes of a message that is looked into */
  struct spool spool;
  bool too_big; /* the message in hand is no longer kept */
  struct embedded found[EMBEDDED_MAX];
};

/* For the signal handler; everything else gets it as stage->state. */
static struct state unwrapper = {.most = BYTES_DEFAULT};

static void
discard(void)
{
  jobwriter_abandon(&unwrapper.writer);
}

static void
on_client(struct stage *stage)
{
  struct state *state = stage->state;
  notes_reset(&state->notes);
}

static void
on_note(struct stage *stage, struct note const *note)
{
  struct state *state = stage->state;
  enum notes_kind kind =
      stage->in_transaction ? NOTES_TRANSACTION : NOTES_SESSION;
  if (strcmp(note->key, "session") && !jobmetadata_is_outcome(note->key) &&
      strcmp(note->key, PLACE) && !jobmetadata_is_reserved(note->key) &&
      jobcontrol_is_value(note->value, note->value_bytes))
    notes_add(&state->notes, kind, note);
}

static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct state *state = stage->state;
  envelope_set_sender(&state->envelope, &mail->address);
}

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct state *state = stage->state;
  if (!envelope_add(&state->envelope, rcpt))
    stage_answer(stage, "452 4.5.3 too many recipients");
}

/* The answer for what failed, after a line in the log. */
static char const *
file_failed(struct stage *stage, char const *action)
{
  int reason = errno;
  struct log log;
  stage_log(stage, &log, "temporary file failed");
  log_string(&log, "action", action);
  log_string(&log, "error", strerror(reason));
  log_string(&log, "advice", storage_advice(reason));
  log_write(&log);
  return storage_answer(reason);
}

static void
on_body(struct stage *stage)
{
  struct state *state = stage->state;
  state->too_big = false;
}

/* Put what is kept on its way. 0 or -1. */
static int
pass_on(struct stage *stage)
{
  struct state *state = stage->state;
  char const *bytes;
  size_t n;
  uint64_t at = 0;
  int got;
  while ((got = spool_get(&state->spool, at, &bytes, &n)) > 0) {
    stage_write(stage, bytes, n);
    at += n;
  }
  return got;
}

/* It is not looked into, and need not be kept. */
static void
give_up(struct stage *stage)
{
  struct state *state = stage->state;
  struct log log;
  state->too_big = true;
  stage_log(stage, &log, "too big to unwrap");
  log_number(&log, "most", state->most);
  log_write(&log);
  if (pass_on(stage) == -1)
    stage_answer(stage, file_failed(stage, "read"));
}

static void
on_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct state *state = stage->state;
  if (!state->too_big && n > state->most - state->spool.bytes)
    give_up(stage);
  if (state->too_big)
    stage_write(stage, bytes, n);
  else if (spool_add(&state->spool, bytes, n) == -1)
    stage_answer(stage, file_failed(stage, "write"));
}

static int
write_decoded(struct jobwriter *writer, char const *text,
              struct embedded const *message)
{
  struct transfer transfer = {.encoding = message->encoding};
  char block[TRANSFER_ROOM(BLOCK)];
  for (size_t at = message->begin; at < message->end;) {
    size_t n = message->end - at < BLOCK ? message->end - at : BLOCK;
    size_t decoded = transfer_decode(&transfer, text + at, n, block);
    if (jobwriter_write(writer, block, decoded) == -1)
      return -1;
    at += n;
  }
  return jobwriter_write(writer, block, transfer_end(&transfer, block));
}

/* A job of one message of count. 0, or -1 after a line in the log. */
static int
store(struct stage *stage, char const *text, size_t nth, size_t count)
{
  struct state *state = stage->state;
  struct jobwriter *writer = &state->writer;
  struct jobmetadata *metadata = &state->metadata;
  char place[2 * SIZE_FMT + 2];
  struct log log;
  int exists;
  size_t n = size_fmt(place, nth + 1);
  place[n++] = '/';
  n += size_fmt(place + n, count);
  if (jobwriter_begin(writer) == -1 ||
      write_decoded(writer, text, state->found + nth) == -1)
    return -1;
  jobmetadata_collect(metadata, stage, &state->envelope, &state->notes,
                      &writer->started);
  metadata->line[metadata->count++] = (struct metadata){PLACE, place, n};
  ending_hold(); /* of the first one, until all are done with */
  int result =
      jobwriter_commit(writer, metadata->line, metadata->count, &exists);
  if (result == -1)
    return -1;
  stage_log(stage, &log, "unwrapped");
  log_string(&log, "id", writer->base);
  log_string(&log, "dir", writer->queue.path);
  log_number(&log, "bytes", writer->data_bytes);
  log_bytes(&log, "message", place, n);
  log_write(&log);
  stage_note(stage, "queued", writer->base);
  return 0;
}

static char const *
storage_failed(struct stage *stage)
{
  struct state *state = stage->state;
  struct jobqueue_failure const *failure = &state->writer.queue.failure;
  struct log log;
  stage_log(stage, &log, "storage failed");
  storage_log(&log, failure->action, failure->path, failure->error);
  return storage_answer(failure->error);
}

/* All messages that are in this one. Returns how many; -1 after an answer. */
static int
unwrap(struct stage *stage, char const *text)
{
  struct state *state = stage->state;
  size_t count = embedded_find(text, state->spool.bytes, state->found);
  for (size_t i = 0; i < count; i++)
    if (store(stage, text, i, count) == -1) {
      stage_answer(stage, storage_failed(stage));
      return -1;
    }
  return (int)count;
}

static void
on_end(struct stage *stage)
{
  struct state *state = stage->state;
  char answer[64];
  if (state->too_big)
    return;
  char const *text = spool_text(&state->spool);
  if (!text) {
    stage_answer(stage, file_failed(stage, "read"));
    return;
  }
  int count = unwrap(stage, text);
  if (count < 0)
    return;
  if (!count || state->copies) {
    if (pass_on(stage) == -1)
      stage_answer(stage, file_failed(stage, "read"));
    return;
  }
  snprintf(answer, sizeof answer, "250 2.6.0 unwrapped, %d message%s", count,
           count == 1 ? "" : "s");
  stage_answer(stage, state->answer ? state->answer : answer);
}

static void
on_reset(struct stage *stage)
{
  struct state *state = stage->state;
  jobwriter_abandon(&state->writer);
  envelope_reset(&state->envelope);
  notes_end_transaction(&state->notes);
  spool_clear(&state->spool);
  ending_release();
}

static void
read_options(int argc, char const *const *argv, struct state *state)
{
  subgetopt options = SUBGETOPT_ZERO;
  unsigned int priority = 50;
  int option;
  while ((option = subgetopt_r(argc, argv, "cb:a:p:", &options)) != -1) {
    if (option == 'c')
      state->copies = true;
    else if (option == 'b')
      state->most = option_number("-b", options.arg, 1, INT64_MAX);
    else if (option == 'a')
      state->answer = option_answer("-a", options.arg);
    else if (option == 'p')
      priority = option_number32("-p", options.arg, 0, JOBNAME_PRIORITY_MAX);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc - options.ind != 1 || (state->copies && state->answer))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (jobwriter_start(&state->writer, argv[options.ind], priority, NULL) == -1)
    strerr_diefusys(EXIT_PERMANENT, "use directory ", argv[options.ind]);
}

int
main(int argc, char const *const *argv)
{
  struct state *state = &unwrapper;
  static struct stage_handlers const handlers = {.holds_body = true,
                                                 .client = on_client,
                                                 .note = on_note,
                                                 .mail = on_mail,
                                                 .rcpt = on_rcpt,
                                                 .body = on_body,
                                                 .piece = on_piece,
                                                 .end = on_end,
                                                 .reset = on_reset};
  process_begin("unwrap");
  read_options(argc, argv, state);
  spool_begin(&state->spool, NULL, state->most);
  envelope_reset(&state->envelope);
  notes_reset(&state->notes);
  ending_catch(discard);
  int result = stage_run(&handlers, state);
  jobwriter_abandon(&state->writer);
  return result;
}
