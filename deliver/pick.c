/* Which job is next: the list of waiting jobs, kept up by inotify and rescans,
 * and the deferred ones that are due. */
#include "deliver/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deliver/storage.h"
#include "lib/clock.h"
#include "lib/log.h"

/* Reading a directory takes at most so small a part of the time. */
#define SCAN_SHARE 10
#define PAUSE_LEAST_MS 1000
#define PAUSE_MOST_MS 60000
#define BACKLOG_TRY_MS 1000
#define FRESH_S 2 /* one tick of a file system's clock, and more */

void
worker_pause(struct worker *worker)
{
  struct jobqueue_failure const *failure = &worker->taker.queue.failure;
  struct log log;
  log_start(&log, "storage failed");
  storage_log(&log, failure->action, failure->path, failure->error);
  worker->pause_ms = worker->pause_ms ? worker->pause_ms * 2 : PAUSE_LEAST_MS;
  if (worker->pause_ms > PAUSE_MOST_MS)
    worker->pause_ms = PAUSE_MOST_MS;
  worker->paused_ms = worker->now_ms + worker->pause_ms;
  worker->dirty = true;
}

static void
unwatch(struct worker *worker, int *watch)
{
  if (*watch != -1)
    inotify_rm_watch(worker->inotify, *watch);
  *watch = -1;
}

static void
watch_queue(struct worker *worker)
{
  char const *path = worker->taker.queue.path;
  char name[JOBQUEUE_FILE_MAX + 1];
  if (worker->inotify == -1)
    return;
  unwatch(worker, &worker->watch_queue);
  unwatch(worker, &worker->watch_active);
  for (size_t i = 0; i < JOBFAN_MAX; i++)
    unwatch(worker, worker->watch_fan + i);
  snprintf(name, sizeof name, "%s/queue", path);
  worker->watch_queue = inotify_add_watch(worker->inotify, name,
                                          IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

/* Watch each directory of fan-out that the list has found. What came into a new
 * one before is for the next load. */
static void
watch_fans(struct worker *worker)
{
  char name[JOBQUEUE_FILE_MAX + 1];
  for (char const *p = worker->list.fan; worker->inotify != -1 && *p; p++) {
    int *watch =
        worker->watch_fan + (strchr(JOBFAN_CHARACTERS, *p) - JOBFAN_CHARACTERS);
    snprintf(name, sizeof name, "%s/queue/%c", worker->taker.queue.path, *p);
    int now = inotify_add_watch(worker->inotify, name,
                                IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    worker->dirty |= now != *watch && now != -1;
    *watch = now;
  }
}

int
worker_ready(struct worker *worker)
{
  struct jobqueue *queue = &worker->taker.queue;
  if (jobtaker_ready(&worker->taker) == -1)
    return -1;
  if (queue->opened == worker->opened)
    return 0;
  worker->opened = queue->opened;
  watch_queue(worker);
  joblist_rewind(&worker->list);
  worker->list.overflowed = true;
  joblist_rewind(&worker->backlog.list);
  worker->backlog.next[0] = 0;
  worker->backlog.read_ms = worker->backlog.run_ms = 0;
  worker->dirty = true;
  return 0;
}

/* Jobs that others have become free without a change of queue/. */
static void
watch_active(struct worker *worker)
{
  char name[JOBQUEUE_FILE_MAX + 1];
  bool wanted = worker->busy_seen != 0;
  if (worker->inotify == -1 || wanted == (worker->watch_active != -1))
    return;
  if (!wanted) {
    unwatch(worker, &worker->watch_active);
    return;
  }
  snprintf(name, sizeof name, "%s/active", worker->taker.queue.path);
  worker->watch_active =
      inotify_add_watch(worker->inotify, name, IN_DELETE | IN_ONLYDIR);
  worker->dirty = worker->watch_active != -1;
}

static void
take_event(struct worker *worker, struct inotify_event const *event)
{
  char name[NAME_MAX + 3];
  size_t i = 0;
  if (event->mask & (IN_Q_OVERFLOW | IN_UNMOUNT)) {
    worker->list.overflowed = true;
    return;
  }
  if (!event->len)
    return;
  if (event->mask & IN_ISDIR) {
    worker->dirty |= jobfan_is_directory(event->name);
    return;
  }
  while (i < JOBFAN_MAX && worker->watch_fan[i] != event->wd)
    i++;
  if (i < JOBFAN_MAX)
    snprintf(name, sizeof name, "%c/%s", JOBFAN_CHARACTERS[i], event->name);
  joblist_add(&worker->list, i < JOBFAN_MAX ? name : event->name);
}

void
worker_change(struct worker *worker)
{
  _Alignas(struct inotify_event) char bytes[16384];
  ssize_t n =
      worker->inotify == -1 ? -1 : read(worker->inotify, bytes, sizeof bytes);
  for (; n > 0; n = read(worker->inotify, bytes, sizeof bytes))
    for (char const *p = bytes; p < bytes + n;) {
      struct inotify_event const *event = (struct inotify_event const *)p;
      take_event(worker, event);
      p += sizeof *event + event->len;
    }
}

/* Whether the list is to be loaded now. */
static bool
is_load_due(struct worker const *worker)
{
  if (worker->list.more)
    return true;
  return (worker->dirty || worker->list.overflowed ||
          worker->now_ms >= worker->rescan_at_ms) &&
         worker->now_ms >= worker->load_ms;
}

/* Say what the load passed over, once. */
static void
log_passed_over(struct worker *worker)
{
  struct joblist const *list = &worker->list;
  struct log log;
  if (list->too_long != worker->too_long) {
    worker->too_long = list->too_long;
    log_start(&log, "names too long in the queue");
    log_number(&log, "count", list->too_long);
    log_write(&log);
  }
  if (list->barred != worker->barred) {
    worker->barred = list->barred;
    if (!list->barred)
      return;
    log_start(&log, "directory of jobs left alone");
    log_bytes(&log, "name", &list->barred, 1);
    log_string(&log, "reason", "not permitted");
    log_write(&log);
  }
}

/* 0 or -1. */
static int
load(struct worker *worker)
{
  struct joblist *list = &worker->list;
  struct jobqueue *queue = &worker->taker.queue;
  if (!list->more) {
    if (worker_ready(worker) == -1)
      return -1;
    watch_active(worker);
    worker->busy_seen = 0;
    worker->dirty = false;
    worker->rescan_at_ms = worker->now_ms + worker->rescan_ms;
  }
  if (joblist_load(list, queue->queue) == -1)
    return jobqueue_fail(queue, "read", "queue", "");
  watch_fans(worker);
  int64_t end_ms = clock_ms();
  worker->load_ms = end_ms + (end_ms - worker->now_ms) * SCAN_SHARE;
  worker->now_ms = end_ms;
  log_passed_over(worker);
  return 0;
}

char const *
worker_pick(struct worker *worker)
{
  if (worker->now_ms < worker->paused_ms)
    return NULL;
  if (worker->list.ordered)
    worker_change(worker);
  for (;;) {
    bool is_open = worker->taker.queue.root >= 0; /* else it was gone */
    char const *name =
        !is_open || (worker->list.overflowed && is_load_due(worker))
            ? NULL
            : joblist_next(&worker->list);
    if (!name && worker->busy_seen && worker->watch_active == -1)
      watch_active(worker);
    if (name || !is_load_due(worker))
      return name;
    if (load(worker) == -1) {
      worker_pause(worker);
      return NULL;
    }
  }
}

void
worker_deferred(struct worker *worker, char const *name, int64_t due_s)
{
  struct backlog *backlog = &worker->backlog;
  int64_t run_ms = worker->now_ms + (due_s - (int64_t)time(NULL)) * 1000;
  joblist_add(&backlog->list, name);
  if (backlog->next[0])
    joblist_add(&backlog->list, backlog->next);
  backlog->next[0] = 0;
  if (run_ms < backlog->run_ms)
    backlog->run_ms = run_ms;
}

/* Read deferred/ if others have put something in, but not all the time. */
static int
load_backlog(struct worker *worker, int directory)
{
  struct backlog *backlog = &worker->backlog;
  struct stat status;
  if (fstat(directory, &status) == -1)
    return -1;
  bool changed = status.st_mtim.tv_sec != backlog->changed.tv_sec ||
                 status.st_mtim.tv_nsec != backlog->changed.tv_nsec;
  if (backlog->read_ms &&
      (!changed || worker->now_ms - backlog->read_ms < worker->rescan_ms))
    return 0;
  int64_t begin_ms = clock_ms();
  joblist_rewind(&backlog->list);
  backlog->next[0] = 0;
  backlog->changed = status.st_mtim;
  /* In the tick of the last change there may be another. */
  if (time(NULL) - status.st_mtim.tv_sec < FRESH_S)
    backlog->changed.tv_nsec = -1;
  if (joblist_load(&backlog->list, directory) == -1)
    return -1;
  int64_t end_ms = clock_ms();
  /* As if it had been later: what takes long is done seldom. */
  backlog->read_ms = end_ms + (end_ms - begin_ms) * SCAN_SHARE;
  return 0;
}

/* The first name of the backlog, kept until it is taken; NULL: none. */
static char const *
first_of(struct backlog *backlog, int directory)
{
  while (!backlog->next[0]) {
    char const *name = joblist_next(&backlog->list);
    if (name)
      strcpy(backlog->next, name);
    else if (!backlog->list.more ||
             joblist_load(&backlog->list, directory) == -1)
      return NULL;
  }
  return backlog->next;
}

/* Bring back what is due; only one process at a time does. */
static void
return_due(struct worker *worker, int directory)
{
  struct backlog *backlog = &worker->backlog;
  int64_t now_s = (int64_t)time(NULL), due_s = 0;
  char const *name;
  bool locked = false;
  while ((name = first_of(backlog, directory))) {
    char const *job = retry_job(name, &due_s);
    if (job && due_s > now_s) {
      int64_t left_ms = (due_s - now_s) * 1000;
      if (left_ms < worker->rescan_ms)
        backlog->run_ms = worker->now_ms + left_ms;
      return;
    }
    if (job && !locked && flock(directory, LOCK_EX | LOCK_NB) == -1) {
      backlog->run_ms = worker->now_ms + BACKLOG_TRY_MS;
      return;
    }
    locked |= job != NULL;
    if (job && jobtaker_return(&worker->taker, directory, name, job) == -1) {
      worker_pause(worker);
      return;
    }
    if (job && worker->watch_queue == -1)
      worker->dirty = true;
    backlog->next[0] = 0;
  }
}

void
worker_undefer(struct worker *worker)
{
  struct backlog *backlog = &worker->backlog;
  struct jobqueue *queue = &worker->taker.queue;
  if (worker->now_ms < backlog->run_ms || worker->now_ms < worker->paused_ms ||
      queue->root == -1) /* it is gone; load() waits for it */
    return;
  backlog->run_ms = worker->now_ms + worker->rescan_ms;
  int directory = openat(queue->root, RETRY_DIRECTORY,
                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory == -1 && errno == ENOENT)
    return;
  if (directory == -1 || load_backlog(worker, directory) == -1) {
    jobqueue_fail(queue, "read", RETRY_DIRECTORY, "");
    worker_pause(worker);
  } else
    return_due(worker, directory);
  if (directory >= 0)
    close(directory);
}
