/* What becomes of a job once its answers are in. */
#include "deliver/worker.h"

#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

#include "lib/log.h"

#define SET_MAX 8
#define REFUSED_BEFORE "554 5.0.0 recipients refused in an earlier try"

/* Lines of metadata that are to be changed. */
struct changes {
  size_t count;
  struct metadata line[SET_MAX];
  char number[4][UINT64_FMT];
  size_t numbers;
  stralloc list[2]; /* of recipients */
  size_t lists;
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

/* The recipients of these fates, and with REPLAY_NEVER those whom earlier tries
 * refused if -r wants them, become the line key; no line if they are none, or
 * all that the job had. 1 or 0. */
static int
set_recipients(struct changes *changes, struct worker const *worker,
               struct slot const *slot, char const *key, unsigned int fates)
{
  stralloc *list = changes->list + changes->lists++;
  struct replay const *replay = &slot->replay;
  struct metadata const *before = NULL;
  size_t count;
  if (fates & REPLAY_NEVER && worker->refused)
    before = jobrecord_find(&slot->job.record, RETRY_REFUSED);
  if ((before && !stralloc_catb(list, before->value, before->value_bytes)) ||
      !replay_left(replay, fates, list, &count))
    return 0;
  if (list->len && (before || count < replay->recipients))
    changes->line[changes->count++] =
        (struct metadata){key, list->s, list->len};
  return 1;
}

/* Recipients that are refused while others are tried again. */
static void
log_refused(struct slot const *slot)
{
  struct replay const *replay = &slot->replay;
  for (size_t i = 0; i < replay->recipients; i++) {
    struct replay_recipient const *recipient = replay->recipient + i;
    struct log log;
    if (replay_fate(replay, i) != REPLAY_NEVER)
      continue;
    start_log(slot, &log, "recipient refused");
    log_bytes(&log, "recipient", replay->addresses.s + recipient->address,
              recipient->bytes);
    log_write(&log);
  }
}

/* Put the job into a directory. set: whether all recipients were set. */
static enum jobtaker_end
move(struct worker *worker, struct slot *slot, struct changes *changes, int set,
     struct jobtaker_move to)
{
  enum jobtaker_end end = JOBTAKER_END_FAILED;
  if (set) {
    to.set = changes->line;
    to.count = changes->count;
    end = jobtaker_move(&worker->taker, &slot->job, &to);
  } else {
    jobqueue_fail(&worker->taker.queue, "write metadata of", "queue",
                  slot->job.lock.job);
    jobtaker_release(&worker->taker, &slot->job);
  }
  for (size_t i = 0; i < changes->lists; i++)
    stralloc_free(changes->list + i);
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
  int set = set_recipients(&changes, worker, slot, "rcpt_to",
                           REPLAY_LATER | (worker->refused ? REPLAY_NEVER : 0));
  struct jobtaker_move to = {.directory = "failed", .name = slot->job.lock.job};
  enum jobtaker_end end = move(worker, slot, &changes, set, to);
  if (end == JOBTAKER_DONE && !worker->refused)
    log_refused(slot);
  log_end(worker, slot, end, &log);
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
  int set = set_recipients(&changes, worker, slot, "rcpt_to", REPLAY_LATER) &&
            (!worker->refused || set_recipients(&changes, worker, slot,
                                                RETRY_REFUSED, REPLAY_NEVER));
  struct jobtaker_move to = {.directory = RETRY_DIRECTORY, .name = name};
  enum jobtaker_end end = move(worker, slot, &changes, set, to);
  if (end == JOBTAKER_DONE) {
    worker_deferred(worker, name, retry.due_s);
    log_refused(slot);
  }
  log_end(worker, slot, end, &log);
}

static void
refuse(struct worker *worker, struct slot *slot, char const *answer)
{
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
  int set = set_recipients(&changes, worker, slot, "rcpt_to", REPLAY_NEVER);
  struct jobtaker_move to = {.directory = worker->refused,
                             .name = slot->job.lock.job};
  log_end(worker, slot, move(worker, slot, &changes, set, to), &log);
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
    if (worker->refused && jobrecord_find(&slot->job.record, RETRY_REFUSED))
      refuse(worker, slot, REFUSED_BEFORE);
    else
      worker_finish(worker, slot);
    break;
  case REPLAY_DEFERRED:
    worker_defer(worker, slot, slot->replay.worst);
    break;
  case REPLAY_REFUSED:
    refuse(worker, slot, slot->replay.worst);
    break;
  }
}

void
worker_settle_broken(struct worker *worker, struct slot *slot,
                     char const *reason)
{
  char answer[REPLAY_ANSWER_MAX + 1];
  if (replay_is_settled(&slot->replay)) {
    worker_settle(worker, slot);
    return;
  }
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
