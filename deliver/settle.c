/* What becomes of a job once its answers are in. */
#include "deliver/worker.h"

#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

#include "lib/log.h"

#define SET_MAX 8

/* Lines of metadata that are to be changed. */
struct changes {
  size_t count;
  struct metadata line[SET_MAX];
  char number[4][UINT64_FMT];
  size_t numbers;
};

static void
set_string(struct changes *changes, char const *key, char const *value)
{
  changes->line[changes->count++] =
      (struct metadata){key, value, value ? strlen(value) : 0};
}

static void
set_number(struct changes *changes, char const *key, uint64_t value)
{
  char *text = changes->number[changes->numbers++];
  text[uint64_fmt(text, value)] = 0;
  set_string(changes, key, text);
}

static void
start_log(struct slot const *slot, struct log *log, char const *event)
{
  struct metadata const *session = jobrecord_find(&slot->job.record, "session");
  log_start(log, event);
  log_string(log, "job", slot->job.lock.job);
  if (session)
    log_bytes(log, "session", session->value, session->value_bytes);
}

/* Say what came of it, unless that could not be. */
static void
log_end(struct worker *worker, struct slot const *slot, enum jobtaker_end end,
        struct log *log)
{
  if (end == JOBTAKER_LOST)
    start_log(slot, log, "lost: another worker has the job");
  if (end == JOBTAKER_END_FAILED)
    worker_pause(worker);
  else
    log_write(log);
}

/* Only who is not done is a recipient of the next try. 1 or 0. */
static int
set_recipients(struct slot const *slot, struct changes *changes, stralloc *left)
{
  struct replay const *replay = &slot->replay;
  if (!replay_left(replay, left))
    return 0;
  size_t count = left->len ? 1 : 0;
  for (size_t i = 0; i < left->len; i++)
    count += left->s[i] == '\t';
  if (count < replay->recipients)
    changes->line[changes->count++] =
        (struct metadata){"rcpt_to", left->s, left->len};
  return 1;
}

/* Put the job into a directory. count in changes->line. */
static enum jobtaker_end
move(struct worker *worker, struct slot *slot, struct changes *changes,
     char const *directory, char const *name)
{
  stralloc left = STRALLOC_ZERO;
  struct jobtaker_move to = {.directory = directory, .name = name};
  enum jobtaker_end end = JOBTAKER_END_FAILED;
  if (set_recipients(slot, changes, &left)) {
    to.set = changes->line;
    to.count = changes->count;
    end = jobtaker_move(&worker->taker, &slot->job, &to);
  } else {
    jobqueue_fail(&worker->taker.queue, "write metadata of", "queue",
                  slot->job.lock.job);
    jobtaker_release(&worker->taker, &slot->job);
  }
  stralloc_free(&left);
  return end;
}

static void
fail(struct worker *worker, struct slot *slot, struct retry const *retry,
     char const *answer)
{
  char why[REPLAY_ANSWER_MAX + 80];
  struct changes changes = {0};
  struct log log;
  snprintf(why, sizeof why, "%s: %s",
           retry->tries >= worker->rules.tries ? "too many tries" : "too old",
           answer);
  set_number(&changes, RETRY_TRIES, retry->tries);
  set_number(&changes, RETRY_FIRST, (uint64_t)retry->began_s);
  set_string(&changes, RETRY_LAST, answer);
  set_string(&changes, RETRY_FAILED, why);
  start_log(slot, &log, "failed");
  log_string(&log, "answer", answer);
  log_number(&log, "tries", retry->tries);
  log_end(worker, slot,
          move(worker, slot, &changes, "failed", slot->job.lock.job), &log);
}

void
worker_defer(struct worker *worker, struct slot *slot, char const *answer)
{
  char name[RETRY_NAME_MAX + 1];
  struct changes changes = {0};
  struct retry retry;
  struct log log;
  int64_t now_s = (int64_t)time(NULL);
  if (!retry_next(&worker->rules, &slot->job.record, now_s, &retry)) {
    fail(worker, slot, &retry, answer);
    return;
  }
  set_number(&changes, RETRY_TRIES, retry.tries);
  set_number(&changes, RETRY_FIRST, (uint64_t)retry.began_s);
  set_string(&changes, RETRY_LAST, answer);
  retry_name(retry.due_s, slot->job.lock.job, name);
  start_log(slot, &log, "deferred");
  log_string(&log, "answer", answer);
  log_number(&log, "tries", retry.tries);
  log_number(&log, "seconds", (uint64_t)(retry.due_s - now_s));
  enum jobtaker_end end = move(worker, slot, &changes, RETRY_DIRECTORY, name);
  if (end == JOBTAKER_DONE)
    worker_deferred(worker, name, retry.due_s);
  log_end(worker, slot, end, &log);
}

static void
refuse(struct worker *worker, struct slot *slot)
{
  char const *answer = slot->replay.worst;
  struct changes changes = {0};
  struct log log;
  start_log(slot, &log, "refused");
  log_string(&log, "to", worker->refused ? worker->refused : "nowhere");
  log_string(&log, "answer", answer);
  if (!worker->refused) {
    log_end(worker, slot, jobtaker_finish(&worker->taker, &slot->job), &log);
    return;
  }
  set_string(&changes, RETRY_LAST, answer);
  set_string(&changes, RETRY_FAILED, answer);
  log_end(worker, slot,
          move(worker, slot, &changes, worker->refused, slot->job.lock.job),
          &log);
}

enum jobtaker_end
worker_finish(struct worker *worker, struct slot *slot)
{
  struct log log;
  start_log(slot, &log, "finished");
  log_number(&log, "bytes", slot->job.data_bytes);
  log_seconds(&log, "seconds", (uint64_t)(worker->now_ms - slot->sent_ms));
  if (slot->replay.queued[0])
    log_string(&log, "queued", slot->replay.queued);
  enum jobtaker_end end = jobtaker_finish(&worker->taker, &slot->job);
  log_end(worker, slot, end, &log);
  return end;
}

void
worker_settle(struct worker *worker, struct slot *slot)
{
  switch (replay_outcome(&slot->replay)) {
  case REPLAY_DONE:
    worker_finish(worker, slot);
    break;
  case REPLAY_DEFERRED:
    worker_defer(worker, slot, slot->replay.worst);
    break;
  case REPLAY_REFUSED:
    refuse(worker, slot);
    break;
  }
}

void
worker_settle_broken(struct worker *worker, struct slot *slot,
                     char const *reason)
{
  char answer[REPLAY_ANSWER_MAX + 1];
  snprintf(answer, sizeof answer, "451 4.3.0 pipeline: %s", reason);
  worker_defer(worker, slot, answer);
}

void
worker_give_back(struct worker *worker, struct slot *slot)
{
  struct log log;
  start_log(slot, &log, "given back");
  log_end(worker, slot, jobtaker_release(&worker->taker, &slot->job), &log);
}
