#include "smtpd/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "lib/fdpass.h"
#include "lib/log.h"
#include "smtpd/lease.h"

#define GROW_AFTER_MS 50   /* somebody has waited so long */
#define GROW_STEP 8        /* lanes started at once */
#define START_MS 30000     /* a lane's time to start */
#define RETRY_MS 1000      /* after a lane that failed to start */
#define RETRY_MOST_MS 8000 /* after the next ones: twice as long, and so on */
#define SPARE_MS 60000     /* a lane beyond the warm ones is idle so long */
#define TICK_MS 50         /* while somebody waits */
#define SLOW_TICK_MS 1000  /* while lanes start, end or are spare */

int
pool_init(struct pool *pool, size_t borrowers_max)
{
  pool->slots = pool->most * 2;
  pool->borrowers_max = borrowers_max;
  pool->waiting = pool->holding = (struct queue){-1, -1, 0};
  pool->lanes = calloc(pool->slots, sizeof *pool->lanes);
  pool->borrowers = calloc(borrowers_max, sizeof *pool->borrowers);
  pool->epoll = epoll_create1(EPOLL_CLOEXEC);
  return pool->lanes && pool->borrowers && pool->epoll >= 0;
}

int
pool_watch(struct pool *pool, int fd, enum pool_event event, uint32_t index)
{
  struct epoll_event watch = {.events = EPOLLIN,
                              .data.u64 = (uint64_t)event << 32 | index};
  return epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &watch);
}

/* Before fd is closed. A process that is just being started may have it for a
 * moment longer than we, and its events would go on. */
static void
unwatch(struct pool *pool, int fd)
{
  epoll_ctl(pool->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* A lane failed to start. What is wrong is mostly so for all, and each failure
 * is some lines of log: from now on they are tried one at a time, until one
 * starts. Those that were begun together count as one. */
static void
put_off(struct pool *pool)
{
  if (pool->now_ms < pool->start_after_ms)
    return;
  pool->retry_ms = pool->retry_ms ? pool->retry_ms * 2 : RETRY_MS;
  if (pool->retry_ms > RETRY_MOST_MS)
    pool->retry_ms = RETRY_MOST_MS;
  pool->start_after_ms = pool->now_ms + pool->retry_ms;
}

/* The first lane of the new generation is still to start. */
static bool
is_renewing(struct pool const *pool)
{
  return pool->generation != pool->proven;
}

/* Start one more lane, if there is a slot and the time for it. 1 or 0. */
static int
grow(struct pool *pool)
{
  struct lane *lane = pool->lanes;
  struct lane *end = lane + pool->slots;
  if (pool->total >= pool->most + is_renewing(pool) ||
      pool->now_ms < pool->start_after_ms ||
      ((!pool->started || pool->retry_ms) && pool->starting))
    return 0;
  while (lane < end && lane->state != LANE_FREE)
    lane++;
  if (lane == end)
    return 0;
  if (!lane_start(lane, pool->stages)) {
    put_off(pool);
    return 0;
  }
  if (pool_watch(pool, lane->tail, POOL_LANE, (uint32_t)(lane - pool->lanes)) <
      0) {
    strerr_warnwusys("watch a pipeline");
    lane_end(lane);
    put_off(pool);
    return 0;
  }
  lane->generation = pool->generation;
  pool->total++;
  pool->starting++;
  return 1;
}

/* Where the last one failed to start, one more shows whether new ones do. */
static void
keep_warm(struct pool *pool)
{
  while ((pool->total < pool->warm ||
          ((is_renewing(pool) || pool->retry_ms) && !pool->starting)) &&
         grow(pool))
    ;
}

static void
retire(struct pool *pool, struct lane *lane)
{
  pool->total--;
  lane_end(lane);
}

/* A lane that was starting is of no use. */
static void
give_up(struct pool *pool, struct lane *lane)
{
  pool->starting--;
  unwatch(pool, lane->tail);
  retire(pool, lane);
  put_off(pool);
}

static void
lend(struct pool *pool, int fd)
{
  struct borrower *borrower = pool->borrowers + fd;
  struct lane *lane = pool->idle;
  int ends[2] = {lane->head, lane->tail};
  if (borrower->waiting) {
    int64_t waited_ms = pool->now_ms - borrower->since_ms;
    pool_dequeue(pool, &pool->waiting, fd);
    pool->waited++;
    if (waited_ms > pool->longest_ms)
      pool->longest_ms = waited_ms;
  }
  pool->idle = lane->next;
  lane->state = LANE_LENT;
  borrower->waiting = false;
  borrower->asked_ms = 0;
  borrower->lane = lane;
  pool_enqueue(pool, &pool->holding, fd);
  /* One that has gone, or cannot have them, is heard of by its end of file. */
  if (fdpass_send(fd, lane->blind ? LEASE_BLIND : LEASE_JUDGED, ends, 2) < 0)
    shutdown(fd, SHUT_RDWR);
}

/* Idle lanes that are of no use any more go; the others are lent. */
static void
serve_waiting(struct pool *pool)
{
  while (pool->idle && pool->waiting.length) {
    struct lane *lane = pool->idle;
    if (!lane->failed) {
      lend(pool, pool->waiting.first);
      continue;
    }
    pool->idle = lane->next;
    retire(pool, lane);
  }
  keep_warm(pool);
}

/* Of an age to be replaced; where new ones do not start, old ones are better
 * than none. */
static bool
is_old(struct pool const *pool, struct lane const *lane)
{
  return !is_renewing(pool) && !pool->retry_ms &&
         (lane->sessions >= pool->sessions ||
          pool->now_ms - lane->born_ms >= pool->age_ms);
}

static bool
is_worn(struct pool const *pool, struct lane const *lane)
{
  return lane->failed || lane->generation < pool->proven;
}

static void
take_back(struct pool *pool, struct lane *lane, bool clean)
{
  lane->sessions++;
  if (!clean || is_worn(pool, lane) || is_old(pool, lane)) {
    retire(pool, lane);
    return;
  }
  lane->state = LANE_IDLE;
  lane->since_ms = pool->now_ms;
  lane->next = pool->idle;
  pool->idle = lane;
}

/* A borrower leaves, its lane clean or in doubt. */
static void
part(struct pool *pool, int fd, bool clean)
{
  struct borrower *borrower = pool->borrowers + fd;
  pool_dequeue(pool, borrower->waiting ? &pool->waiting : &pool->holding, fd);
  unwatch(pool, fd);
  close(fd);
  if (borrower->lane)
    take_back(pool, borrower->lane, clean);
  borrower->lane = NULL;
  serve_waiting(pool);
}

void
pool_borrow(struct pool *pool, int fd)
{
  if ((size_t)fd >= pool->borrowers_max ||
      pool_watch(pool, fd, POOL_BORROWER, (uint32_t)fd) < 0) {
    fdpass_send(fd, LEASE_REFUSED, NULL, 0);
    close(fd);
    pool->refused++;
    return;
  }
  struct borrower *borrower = pool->borrowers + fd;
  borrower->lane = NULL;
  borrower->waiting = false;
  while (pool->idle && pool->idle->failed) {
    struct lane *lane = pool->idle;
    pool->idle = lane->next;
    retire(pool, lane);
  }
  if (pool->idle && !pool->waiting.length) {
    lend(pool, fd);
    return;
  }
  borrower->waiting = true;
  pool_enqueue(pool, &pool->waiting, fd);
  serve_waiting(pool);
  pool_ask_back(pool);
}

void
pool_hear(struct pool *pool, int fd)
{
  char byte;
  int fds[FDPASS_MAX];
  size_t n;
  int r = fdpass_receive(fd, &byte, fds, &n);
  while (n)
    close(fds[--n]);
  if (r < 0 && errno == EAGAIN)
    return;
  part(pool, fd, r > 0 && byte == LEASE_CLEAN);
}

/* Retire the idle lanes that are worn, and one that is old or to spare: all of
 * an age at once would leave none to be lent. */
static void
weed(struct pool *pool)
{
  bool spared = false;
  for (struct lane **at = &pool->idle; *at;) {
    struct lane *lane = *at;
    bool spare = !spared && (is_old(pool, lane) ||
                             (pool->total > pool->warm &&
                              pool->now_ms - lane->since_ms >= SPARE_MS));
    if (!spare && !is_worn(pool, lane)) {
      at = &lane->next;
      continue;
    }
    spared = spared || spare;
    *at = lane->next;
    retire(pool, lane);
  }
}

void
pool_probe(struct pool *pool, size_t i)
{
  struct lane *lane = pool->lanes + i;
  if (lane->state != LANE_STARTING)
    return;
  int r = lane_probe(lane);
  if (!r)
    return;
  if (r < 0) {
    give_up(pool, lane);
    return;
  }
  pool->starting--;
  pool->started = true;
  pool->retry_ms = 0;
  unwatch(pool, lane->tail);
  lane->next = pool->idle;
  pool->idle = lane;
  if (lane->generation > pool->proven) {
    struct log log;
    log_start(&log, "renewed");
    log_write(&log);
    pool->proven = lane->generation;
    weed(pool);
  }
  serve_waiting(pool);
}

void
pool_reap(struct pool *pool)
{
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
    for (size_t i = 0; i < pool->slots; i++)
      if (lane_reaped(pool->lanes + i, pid, status))
        break;
}

void
pool_renew(struct pool *pool)
{
  if (!stagelist_renew(&pool->stages))
    return;
  pool->generation++;
  pool->start_after_ms = pool->now_ms; /* what was wrong may be mended */
  keep_warm(pool);
}

/* None runs, and the last two or more tries to start one have failed. */
static bool
is_hopeless(struct pool const *pool)
{
  return pool->retry_ms > RETRY_MS && pool->total == pool->starting;
}

static void
refuse_late(struct pool *pool)
{
  while (pool->waiting.length) {
    int fd = pool->waiting.first;
    int64_t waited_ms = pool->now_ms - pool->borrowers[fd].since_ms;
    if (waited_ms < pool->wait_ms && !is_hopeless(pool))
      return;
    if (waited_ms > pool->longest_ms)
      pool->longest_ms = waited_ms;
    pool->refused++;
    fdpass_send(fd, LEASE_REFUSED, NULL, 0);
    part(pool, fd, false);
  }
}

/* Lanes that start too slowly, or end too slowly. How many there are. */
static size_t
tend_lanes(struct pool *pool)
{
  size_t busy = 0;
  for (size_t i = 0; i < pool->slots; i++) {
    struct lane *lane = pool->lanes + i;
    if (lane->state == LANE_ENDING)
      lane_press(lane);
    else if (lane->state != LANE_STARTING)
      continue;
    else if (pool->now_ms - lane->since_ms >= START_MS) {
      struct log log;
      log_start(&log, "error: pipeline does not start in time");
      log_write(&log);
      give_up(pool, lane);
    }
    busy++;
  }
  return busy;
}

int
pool_tick(struct pool *pool)
{
  if (pool->now_ms - pool->ticked_ms < TICK_MS)
    return TICK_MS;
  pool->ticked_ms = pool->now_ms;
  size_t busy = tend_lanes(pool);
  weed(pool);
  keep_warm(pool);
  if (pool->waiting.length) {
    int64_t waited_ms =
        pool->now_ms - pool->borrowers[pool->waiting.first].since_ms;
    size_t step = waited_ms >= GROW_AFTER_MS ? GROW_STEP : 0;
    while (pool->starting < step && pool->starting < pool->waiting.length &&
           grow(pool))
      ;
    pool_ask_back(pool);
    refuse_late(pool);
  }
  pool_log(pool);
  if (pool->waiting.length)
    return TICK_MS;
  if (busy || pool->total != pool->warm || is_renewing(pool) ||
      pool->retry_ms || pool->waited || pool->refused)
    return SLOW_TICK_MS;
  return -1;
}
