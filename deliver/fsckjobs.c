/* Jobs that no worker can take, or whose size is not what they say, and locks
 * that nobody holds. */
#include "deliver/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/types.h>

#include "deliver/progress.h"
#include "deliver/stop.h"

#define CONTROL (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define ASIDE "failed"
#define ORPHAN_LOCK_S 3600
/* Then a lock is stale for every worker. */
#define STALE_LOCK_S (600 + JOBLOCK_FUDGE_S)

enum state {
  WHOLE,
  GONE,
  DAMAGED, /* why says how */
  LONGER,  /* the data file, than the control file says */
  UNKNOWN, /* it could not be looked at; that was said */
};

/* Go through the names of jobs in a directory. */
static void
visit_all(struct fsck *fsck, int directory, char const *name,
          void look(struct fsck *fsck, char const *name))
{
  struct joblist list;
  struct progress progress;
  if (directory == -1)
    return;
  joblist_start(&list, false);
  list.fans = directory == fsck->taker.queue.queue;
  progress_start(&progress, name);
  do {
    if (joblist_load(&list, directory) == -1)
      fsck_trouble(fsck, "read", name, "");
    for (char const *job; !stop_wanted(0) && (job = joblist_next(&list));) {
      look(fsck, job);
      progress_step(&progress);
    }
  } while (list.more && !stop_wanted(0));
  progress_end(&progress);
  joblist_end(&list);
}

/* Read the control file and look at the data file. NULL, or what is damaged.
 * *error: errno, if it could not be looked at. */
static char const *
read_job(struct fsck *fsck, int control, char const *name, int *error)
{
  struct job *job = &fsck->job;
  struct jobtaker *taker = &fsck->taker;
  char const *reason = jobtaker_read(taker, job, name, control);
  *error = reason ? errno : 0;
  if (reason)
    return reason;
  if (taker->queue.data == -1)
    return "data file is gone";
  errno = 0;
  int fd = jobdata_open(&taker->data, &taker->queue, job->data_path,
                        &job->data_bytes, &reason);
  if (fd == -1) {
    if (errno && errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
      *error = errno;
    return reason ? reason : "unable to open the data file";
  }
  close(fd);
  return job->record.has_bytes && job->data_bytes < job->record.data_bytes
             ? "data file cut short"
             : NULL;
}

/* Judge the job of an open control file. */
static enum state
judge(struct fsck *fsck, int control, char const *name, char const **why)
{
  struct stat opened, now;
  int error;
  *why = read_job(fsck, control, name, &error);
  /* Who finishes a job removes the control file first. */
  if (*why && (fstat(control, &opened) == -1 ||
               !fsck_stat(fsck->taker.queue.queue, name, &now) ||
               opened.st_ino != now.st_ino || opened.st_dev != now.st_dev))
    return GONE;
  if (error) {
    errno = error;
    fsck_trouble(fsck, "look at the job", "queue", name);
    return UNKNOWN;
  }
  if (*why)
    return DAMAGED;
  return fsck->job.record.has_bytes &&
                 fsck->job.data_bytes > fsck->job.record.data_bytes
             ? LONGER
             : WHOLE;
}

/* Rename a job that is locked into failed/. */
static bool
move_aside(struct fsck *fsck, char const *name)
{
  struct jobqueue *queue = &fsck->taker.queue;
  struct stat status;
  int directory = jobqueue_open(queue, ASIDE);
  if (directory == -1) {
    fsck_trouble(fsck, "open", ASIDE, "");
    return false;
  }
  char const *base = jobfan_base(name);
  bool taken = fstatat(directory, base, &status, AT_SYMLINK_NOFOLLOW) == 0;
  bool moved = !taken && renameat(queue->queue, name, directory, base) == 0;
  if (!moved && !taken)
    fsck_trouble(fsck, "move to " ASIDE, "queue", name);
  close(directory);
  return moved;
}

/* Judge it again under its lock, and put it aside. */
static bool
put_aside(struct fsck *fsck, int control, char const *name)
{
  struct jobtaker *taker = &fsck->taker;
  struct joblock *lock = &fsck->job.lock;
  char const *why;
  bool moved = false;
  enum joblock_result taken =
      joblock_take(lock, &taker->locker, &taker->queue, name, control);
  if (taken == JOBLOCK_FAILED) {
    errno = taker->queue.failure.error;
    fsck_trouble(fsck, "lock", "queue", name);
  }
  if (taken != JOBLOCK_TAKEN)
    return false;
  int again = openat(taker->queue.queue, name, CONTROL);
  if (again >= 0) {
    moved = judge(fsck, again, name, &why) == DAMAGED &&
            joblock_owns(lock, &taker->queue) && move_aside(fsck, name);
    close(again);
  }
  joblock_drop(lock, &taker->queue);
  return moved;
}

/* Say in the control file how long the data file is. */
static bool
correct_size(struct fsck *fsck, char const *name)
{
  char bytes[UINT64_FMT];
  struct job *job = &fsck->job;
  enum jobtaker_result taken = jobtaker_take(&fsck->taker, job, name);
  if (taken != JOBTAKER_TAKEN)
    return false;
  bytes[uint64_fmt(bytes, job->data_bytes)] = 0;
  struct metadata size = {"QDSB", bytes, strlen(bytes)};
  struct jobtaker_move move = {"queue", name, &size, 1};
  return jobtaker_move(&fsck->taker, job, &move) == JOBTAKER_DONE;
}

static void
look_at_job(struct fsck *fsck, char const *name)
{
  struct fsck_finding finding = {NULL, "queue", name, NULL, NULL};
  bool repaired = false;
  int control = openat(fsck->taker.queue.queue, name, CONTROL);
  if (control == -1) {
    if (errno != ENOENT && errno != ELOOP && errno != ENXIO)
      fsck_trouble(fsck, "look at the job", "queue", name);
    return;
  }
  enum state state = judge(fsck, control, name, &finding.why);
  if (state == DAMAGED) {
    finding.word = "damaged-job";
    finding.fix = "move to " ASIDE;
    repaired = fsck->repair && put_aside(fsck, control, name);
  } else if (state == LONGER) {
    finding.word = "size-differs";
    finding.why = "data file longer than its control file says";
    finding.fix = "correct the control file";
    repaired = fsck->repair && correct_size(fsck, name);
  }
  close(control);
  if (finding.word)
    fsck_report(fsck, &finding, repaired);
}

void
fsck_jobs(struct fsck *fsck)
{
  visit_all(fsck, fsck->taker.queue.queue, "queue", look_at_job);
}

static bool
has_job(struct fsck const *fsck, char const *name)
{
  char path[JOBLIST_NAME_MAX + 3];
  int queue = fsck->taker.queue.queue;
  return queue != -1 && jobfan_find(queue, name, path);
}

/* What is wrong with a lock of a job; NULL: nothing that is known. */
static char const *
judge_lock(struct fsck const *fsck, char const *name, char const **why)
{
  char text[JOBLOCK_TEXT_MAX];
  pid_t pid;
  int fd = openat(fsck->taker.queue.active, name, CONTROL);
  ssize_t n = fd == -1 ? -1 : fd_read(fd, text, sizeof text);
  if (fd >= 0)
    close(fd);
  if (n == -1)
    return NULL;
  if (!joblock_parse(text, (size_t)n, &pid)) {
    *why = n ? "names no process" : "empty";
    return "empty-lock";
  }
  *why = "its process is gone";
  return !strcmp(text, fsck->taker.locker.host) && fsck_is_dead(pid)
             ? "stale-lock"
             : NULL;
}

/* By the rules of taking over. */
static bool
unlock(struct fsck *fsck, char const *name)
{
  struct jobtaker *taker = &fsck->taker;
  struct joblock *lock = &fsck->job.lock;
  char path[JOBLIST_NAME_MAX + 3];
  int control = jobfan_find(taker->queue.queue, name, path)
                    ? openat(taker->queue.queue, path, CONTROL)
                    : -1;
  if (control == -1)
    return false;
  enum joblock_result taken =
      joblock_take(lock, &taker->locker, &taker->queue, path, control);
  close(control);
  if (taken != JOBLOCK_TAKEN || joblock_drop(lock, &taker->queue) == -1)
    return false;
  futimens(taker->queue.queue, NULL);
  return true;
}

/* It must still be the lock that was judged. */
static bool
remove_orphan(struct fsck *fsck, char const *name, struct stat const *judged)
{
  int active = fsck->taker.queue.active;
  struct stat now;
  return fsck_stat(active, name, &now) && now.st_ino == judged->st_ino &&
         now.st_mtime == judged->st_mtime && !has_job(fsck, name) &&
         unlinkat(active, name, 0) == 0;
}

static void
look_at_lock(struct fsck *fsck, char const *name)
{
  struct stat status;
  bool repaired = false;
  struct fsck_finding finding = {NULL, "active", name, NULL, "remove"};
  if (!fsck_stat(fsck->taker.queue.active, name, &status))
    return;
  int64_t age_s = fsck_age(fsck, &status);
  if (age_s < STALE_LOCK_S)
    return;
  if (!has_job(fsck, name)) {
    if (age_s <= ORPHAN_LOCK_S)
      return;
    finding.word = "orphan-lock";
    finding.why = "there is no such job";
    repaired = fsck->repair && remove_orphan(fsck, name, &status);
  } else {
    finding.word = judge_lock(fsck, name, &finding.why);
    repaired = finding.word && fsck->repair && unlock(fsck, name);
  }
  if (finding.word)
    fsck_report(fsck, &finding, repaired);
}

void
fsck_locks(struct fsck *fsck)
{
  visit_all(fsck, fsck->taker.queue.active, "active", look_at_lock);
}
