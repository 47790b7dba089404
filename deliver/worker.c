#include "deliver/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

#define BEAT_MOST_MS 60000
#define REAP_MOST_MS 10000
#define REAP_STEP_NS 1000000

uint64_t
worker_data(enum worker_event event, size_t slot)
{
  return (uint64_t)event << 32 | slot;
}

static int
watch(struct worker *worker, int fd, uint32_t events, uint64_t data)
{
  struct epoll_event event = {.events = events, .data.u64 = data};
  return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event);
}

int
worker_start(struct worker *worker)
{
  clock_settle();
  worker->now_ms = clock_ms();
  worker->watch_queue = worker->watch_active = -1;
  for (size_t i = 0; i < JOBFAN_MAX; i++)
    worker->watch_fan[i] = -1;
  joblist_start(&worker->backlog.list, true);
  worker->epoll = epoll_create1(EPOLL_CLOEXEC);
  worker->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (worker->epoll == -1 ||
      (worker->inotify != -1 && watch(worker, worker->inotify, EPOLLIN,
                                      worker_data(WORKER_CHANGE, 0)) == -1))
    return -1;
  for (size_t i = 0; i < worker->slots; i++)
    jobtaker_init(&worker->taker, &worker->slot[i].job);
  return worker_ready(worker);
}

/* The pipeline is of no use any more; a job that it has is tried again. */
static void
break_slot(struct worker *worker, struct slot *slot, char const *reason)
{
  struct log log;
  bool busy = slot->state == SLOT_BUSY;
  log_start(&log, "error: pipeline broken");
  log_string(&log, "why", reason);
  if (busy)
    log_string(&log, "job", slot->job.lock.job);
  log_write(&log);
  slot_end(slot, true, worker->now_ms);
  if (busy)
    worker_settle_broken(worker, slot, reason);
}

/* Whether all stages of an IDLE slot still run; if not, it is ended. One may
 * have died while others worked on the last job, or after its answer: the next
 * job is not to pay for that. */
static bool
is_whole(struct worker *worker, struct slot *slot)
{
  slot_reap(slot, worker->now_ms);
  if (slot->alive == slot->list->stages)
    return true;
  break_slot(worker, slot, "a stage ended");
  return false;
}

/* A slot whose pipeline runs, else one where it can be started; NULL: none. */
static struct slot *
free_slot(struct worker *worker)
{
  struct slot *found = NULL;
  for (size_t i = 0; i < worker->slots; i++) {
    struct slot *slot = worker->slot + i;
    if (slot->state == SLOT_IDLE && !slot->worn && is_whole(worker, slot))
      return slot;
    if (!found && slot->state == SLOT_EMPTY &&
        (!slot->pause_ms || slot->since_ms + slot->pause_ms <= worker->now_ms))
      found = slot;
  }
  return found;
}

/* The slot's pipeline, started where there is none. 1 or 0. */
static int
run_pipeline(struct worker *worker, struct slot *slot)
{
  if (slot->state == SLOT_IDLE)
    return 1;
  if (!slot_start(slot, worker->stages, worker->now_ms))
    return 0;
  size_t i = (size_t)(slot - worker->slot);
  if (watch(worker, slot->tail, EPOLLIN, worker_data(WORKER_TAIL, i)) == 0 &&
      watch(worker, slot->head, EPOLLOUT | EPOLLET,
            worker_data(WORKER_HEAD, i)) == 0)
    return 1;
  break_slot(worker, slot, strerror(errno));
  return 0;
}

static void
log_job(struct slot const *slot, char const *event, char const *key,
        char const *value)
{
  struct log log;
  log_start(&log, event);
  log_string(&log, "job", slot->job.lock.job);
  log_string(&log, key, value);
  log_write(&log);
}

/* The job was taken: send it on its way. */
static void
send_job(struct worker *worker, struct slot *slot)
{
  struct job *job = &slot->job;
  if (!replay_build(&slot->replay, &job->record, job->lock.job, job->data_bytes,
                    worker->recipient)) {
    worker_settle_broken(worker, slot, strerror(errno));
    return;
  }
  if (slot->replay.left_out)
    log_job(slot, "addresses left out", "reason", "malformed");
  if (!run_pipeline(worker, slot)) {
    worker_give_back(worker, slot);
    return;
  }
  slot->sent_ms = worker->now_ms;
  slot->beat_ms = worker->now_ms;
  if (slot_send(slot, worker->now_ms) == SLOT_BROKEN)
    break_slot(worker, slot, slot->reason);
}

static void
log_damaged(struct worker const *worker, char const *name)
{
  struct log log;
  log_start(&log, "damaged job left alone");
  log_string(&log, "job", name);
  log_string(&log, "reason", worker->taker.reason);
  log_write(&log);
}

bool
worker_take(struct worker *worker, struct slot *slot, char const *name)
{
  struct job *job = &slot->job;
  switch (jobtaker_take(&worker->taker, job, name)) {
  case JOBTAKER_TAKEN:
    worker->pause_ms = 0;
    if (job->lock.robbed[0])
      log_job(slot, "took over a stale lock", "from", job->lock.robbed);
    if (job->longer)
      log_job(slot, "data file longer than its control file says", "file",
              job->data_path);
    return true;
  case JOBTAKER_BUSY:
    worker->busy_seen++;
    break;
  case JOBTAKER_DAMAGED:
    log_damaged(worker, name);
    break;
  case JOBTAKER_FAILED:
    worker_pause(worker);
    break;
  case JOBTAKER_GONE:
  case JOBTAKER_KNOWN:
    break;
  }
  return false;
}

void
worker_fill(struct worker *worker)
{
  struct slot *slot;
  char const *name;
  while (!worker->stopping && (slot = free_slot(worker)) &&
         (name = worker_pick(worker)))
    if (worker_take(worker, slot, name))
      send_job(worker, slot);
}

static void
end_if_worn(struct worker *worker, struct slot *slot)
{
  if (slot->worn && slot->state == SLOT_IDLE)
    slot_end(slot, false, worker->now_ms);
}

static void
take_result(struct worker *worker, struct slot *slot, enum slot_result result)
{
  switch (result) {
  case SLOT_WAIT:
    break;
  case SLOT_ANSWERED:
    worker_settle(worker, slot);
    end_if_worn(worker, slot);
    break;
  case SLOT_BROKEN:
    break_slot(worker, slot, slot->reason);
    break;
  }
}

void
worker_slot(struct worker *worker, enum worker_event event, size_t i)
{
  struct slot *slot = worker->slot + i;
  if (slot->state == SLOT_IDLE || slot->state == SLOT_BUSY)
    take_result(worker, slot,
                event == WORKER_HEAD ? slot_write(slot)
                                     : slot_read(slot, worker->now_ms));
}

void
worker_reap(struct worker *worker)
{
  for (size_t i = 0; i < worker->slots; i++) {
    struct slot *slot = worker->slot + i;
    if (slot->alive && slot_reap(slot, worker->now_ms) &&
        slot->state == SLOT_IDLE)
      break_slot(worker, slot, "a stage ended");
  }
}

void
worker_renew(struct worker *worker)
{
  if (!stagelist_renew(&worker->stages))
    return;
  for (size_t i = 0; i < worker->slots; i++) {
    worker->slot[i].worn = true;
    worker->slot[i].pause_ms = 0;
    end_if_worn(worker, worker->slot + i);
  }
}

static int64_t
least(int64_t one, int64_t other)
{
  return one < other ? one : other;
}

static int64_t
beat_every_ms(struct worker const *worker)
{
  return least(BEAT_MOST_MS, worker->taker.locker.lifetime_s * 250);
}

/* Returns how long nothing is due for this slot. */
static int64_t
tick_slot(struct worker *worker, struct slot *slot)
{
  int64_t now_ms = worker->now_ms;
  bool is_late =
      slot->state == SLOT_BUSY && now_ms >= slot->sent_ms + worker->limit_ms;
  if (is_late)
    take_result(worker, slot, slot_read_rest(slot, now_ms));
  if (is_late && slot->state == SLOT_BUSY)
    break_slot(worker, slot, "no answer in time");
  if (slot->state == SLOT_BUSY &&
      now_ms >= slot->beat_ms + beat_every_ms(worker)) {
    joblock_beat(&slot->job.lock, &worker->taker.queue);
    slot->beat_ms = now_ms;
  }
  if (slot->state == SLOT_BUSY)
    return least(slot->sent_ms + worker->limit_ms,
                 slot->beat_ms + beat_every_ms(worker)) -
           now_ms;
  if (slot->state == SLOT_EMPTY && slot->pause_ms &&
      slot->since_ms + slot->pause_ms > now_ms)
    return slot->since_ms + slot->pause_ms - now_ms;
  int64_t press_ms = slot_press(slot, now_ms);
  return press_ms < 0 ? INT64_MAX : press_ms;
}

int64_t
worker_idle_ms(struct worker const *worker)
{
  int64_t now_ms = worker->now_ms;
  if (now_ms < worker->paused_ms)
    return worker->paused_ms - now_ms;
  int64_t left_ms = worker->backlog.run_ms - now_ms;
  if (worker->dirty || worker->list.overflowed)
    left_ms = least(left_ms, worker->load_ms - now_ms);
  return least(left_ms, worker->rescan_at_ms - now_ms);
}

static int64_t
tick_slots(struct worker *worker)
{
  int64_t left_ms = INT64_MAX;
  for (size_t i = 0; i < worker->slots; i++)
    left_ms = least(left_ms, tick_slot(worker, worker->slot + i));
  return left_ms;
}

int64_t
worker_tick(struct worker *worker)
{
  int64_t left_ms = tick_slots(worker);
  if (worker->stopping)
    return left_ms;
  worker_undefer(worker);
  worker_fill(worker);
  bool is_free = free_slot(worker) != NULL;
  left_ms = tick_slots(worker); /* some may have been ended, or begun */
  if (is_free)
    return least(left_ms, worker_idle_ms(worker));
  int64_t next_ms = worker->backlog.run_ms;
  if (next_ms < worker->paused_ms)
    next_ms = worker->paused_ms;
  return least(left_ms, next_ms - worker->now_ms);
}

size_t
worker_busy(struct worker const *worker)
{
  size_t busy = 0;
  for (size_t i = 0; i < worker->slots; i++)
    busy += worker->slot[i].state == SLOT_BUSY;
  return busy;
}

/* Wait for the stages of all slots. */
static void
reap_all(struct worker *worker)
{
  struct timespec step = {0, REAP_STEP_NS};
  int64_t begin_ms = worker->now_ms;
  size_t alive = 1;
  while (alive && worker->now_ms < begin_ms + REAP_MOST_MS) {
    alive = 0;
    worker->now_ms = clock_ms();
    for (size_t i = 0; i < worker->slots; i++) {
      slot_reap(worker->slot + i, worker->now_ms);
      slot_press(worker->slot + i, worker->now_ms);
      alive += worker->slot[i].alive;
    }
    if (alive)
      nanosleep(&step, NULL);
  }
}

void
worker_end(struct worker *worker)
{
  for (size_t i = 0; i < worker->slots; i++) {
    struct slot *slot = worker->slot + i;
    bool busy = slot->state == SLOT_BUSY;
    bool answered =
        busy && slot_read_rest(slot, worker->now_ms) == SLOT_ANSWERED;
    slot_end(slot, busy && !answered, worker->now_ms);
    if (answered)
      worker_settle(worker, slot);
    else if (busy)
      worker_give_back(worker, slot);
    joblock_remove(&slot->job.lock, &worker->taker.queue);
  }
  reap_all(worker);
}
