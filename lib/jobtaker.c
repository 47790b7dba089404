#include "lib/jobtaker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "lib/clock.h"
#include "lib/fnv.h"

#define FILE_MODE 0640
#define PROBES 16

int
jobtaker_start(struct jobtaker *taker, char const *directory, char const *host)
{
  memset(taker, 0, sizeof *taker);
  if (joblock_start(&taker->locker, host) == -1)
    return -1;
  return jobqueue_start(&taker->queue, directory);
}

static int
check_writable(struct jobqueue *queue, int fd, char const *name)
{
  if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
    return 0;
  return jobqueue_fail(queue, "write in", name, "");
}

int
jobtaker_ready(struct jobtaker *taker)
{
  struct jobqueue *queue = &taker->queue;
  if (jobqueue_ready(queue) == -1)
    return -1;
  if (queue->opened == taker->opened)
    return 0;
  jobdata_close(&taker->data);
  for (struct joblock *lock = taker->locker.first; lock; lock = lock->next)
    if (!lock->held)
      joblock_forget(lock);
  if (check_writable(queue, queue->queue, "queue") == -1 ||
      check_writable(queue, queue->active, "active") == -1 ||
      check_writable(queue, queue->tmp, "tmp") == -1)
    return -1;
  taker->opened = queue->opened;
  return 0;
}

void
jobtaker_init(struct jobtaker *taker, struct job *job)
{
  joblock_init(&job->lock, &taker->locker);
  job->data_fd = -1;
}

/* The entry of this name or, if there is none, one that it may take. */
static struct jobtaker_damaged *
find_damaged(struct jobtaker *taker, uint64_t hash)
{
  struct jobtaker_damaged *free = NULL;
  for (size_t i = 0; i < PROBES; i++) {
    struct jobtaker_damaged *entry =
        taker->remembered + (hash + i) % JOBTAKER_REMEMBERED;
    if (entry->hash == hash)
      return entry;
    if (!free || entry->until_s < free->until_s)
      free = entry;
  }
  return free;
}

static bool
is_remembered(struct jobtaker *taker, char const *name,
              struct stat const *status)
{
  uint64_t hash = fnv_string(FNV_BASIS, name);
  struct jobtaker_damaged *entry = find_damaged(taker, hash);
  return entry->hash == hash && entry->changed_s == status->st_ctim.tv_sec &&
         entry->changed_ns == status->st_ctim.tv_nsec &&
         clock_ms() / 1000 < entry->until_s;
}

static void
remember(struct jobtaker *taker, char const *name, struct stat const *status)
{
  uint64_t hash = fnv_string(FNV_BASIS, name);
  *find_damaged(taker, hash) = (struct jobtaker_damaged){
      hash, status->st_ctim.tv_sec, status->st_ctim.tv_nsec,
      clock_ms() / 1000 + JOBTAKER_QUIET_S};
  taker->damaged++;
}

static void
close_data(struct job *job)
{
  if (job->data_fd >= 0)
    close(job->data_fd);
  job->data_fd = -1;
}

char const *
jobtaker_read(struct jobtaker *taker, struct job *job, char const *name,
              int control)
{
  char const *reason;
  ssize_t n = fd_read(control, job->text, sizeof job->text);
  if (n == -1)
    return "unable to read the control file";
  if (strlen(name) > JOBTAKER_NAME_MAX)
    reason = "name too long";
  else if (n > JOBRECORD_TEXT_MAX)
    reason = "control file too long";
  else
    reason = jobrecord_parse(&job->record, job->text, (size_t)n);
  if (!reason)
    reason = jobdata_locate(&taker->data, &taker->queue, job->record.data_path,
                            job->data_path);
  errno = 0;
  return reason;
}

static char const SHORT[] = "this machine is short of something";

/* Read the control file and open the data file. NULL, or what is damaged;
 * SHORT: nothing may be, and queue.failure is set. */
static char const *
read_job(struct jobtaker *taker, struct job *job, char const *name, int control)
{
  char const *reason = jobtaker_read(taker, job, name, control);
  if (reason)
    return reason;
  job->data_fd = jobdata_open(&taker->data, &taker->queue, job->data_path,
                              &job->data_bytes, &reason);
  if (job->data_fd == -1 && !reason) {
    jobqueue_fail(&taker->queue, "open", job->data_path, "");
    return SHORT;
  }
  if (job->data_fd == -1)
    return reason;
  job->longer =
      job->record.has_bytes && job->data_bytes > job->record.data_bytes;
  if (!job->record.has_bytes || job->data_bytes >= job->record.data_bytes)
    return NULL;
  close_data(job);
  return "data file cut short";
}

/* Lock and read the job whose control file is open. */
static enum jobtaker_result
take_open(struct jobtaker *taker, struct job *job, char const *name,
          int control)
{
  struct stat status, now;
  if (taker->damaged && fstat(control, &status) == 0 &&
      is_remembered(taker, name, &status))
    return JOBTAKER_KNOWN;
  switch (
      joblock_take(&job->lock, &taker->locker, &taker->queue, name, control)) {
  case JOBLOCK_TAKEN:
    break;
  case JOBLOCK_BUSY:
    return JOBTAKER_BUSY;
  case JOBLOCK_FAILED:
    return JOBTAKER_FAILED;
  }
  /* Whoever had the lock before may have finished the job, or put it aside. */
  if (fstat(control, &status) == -1 || !S_ISREG(status.st_mode) ||
      fstatat(taker->queue.queue, name, &now, AT_SYMLINK_NOFOLLOW) == -1 ||
      now.st_dev != status.st_dev || now.st_ino != status.st_ino) {
    joblock_drop(&job->lock, &taker->queue);
    return JOBTAKER_GONE;
  }
  taker->reason = read_job(taker, job, name, control);
  if (!taker->reason)
    return JOBTAKER_TAKEN;
  if (taker->reason != SHORT)
    remember(taker, name, &status);
  struct jobqueue_failure failure = taker->queue.failure;
  joblock_drop(&job->lock, &taker->queue);
  taker->queue.failure = failure;
  return taker->reason == SHORT ? JOBTAKER_FAILED : JOBTAKER_DAMAGED;
}

enum jobtaker_result
jobtaker_take(struct jobtaker *taker, struct job *job, char const *name)
{
  struct stat status;
  int control = openat(taker->queue.queue, name,
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (control >= 0) {
    enum jobtaker_result result = take_open(taker, job, name, control);
    fd_close(control);
    return result;
  }
  if (errno != EACCES ||
      fstatat(taker->queue.queue, name, &status, AT_SYMLINK_NOFOLLOW) == -1) {
    if (errno == ENOENT || errno == ELOOP || errno == ENXIO)
      return JOBTAKER_GONE;
    jobqueue_fail(&taker->queue, "open", "queue", name);
    return JOBTAKER_FAILED;
  }
  if (is_remembered(taker, name, &status))
    return JOBTAKER_KNOWN;
  remember(taker, name, &status);
  taker->reason = "control file not permitted";
  return JOBTAKER_DAMAGED;
}

static enum jobtaker_end
lost(struct job *job)
{
  close_data(job);
  job->lock.held = false;
  return JOBTAKER_LOST;
}

/* The job stays; it is not to be taken again at once. */
static enum jobtaker_end
end_failed(struct jobtaker *taker, struct job *job)
{
  struct stat status;
  struct jobqueue_failure failure = taker->queue.failure;
  if (fstatat(taker->queue.queue, job->lock.control, &status,
              AT_SYMLINK_NOFOLLOW) == 0)
    remember(taker, job->lock.control, &status);
  joblock_drop(&job->lock, &taker->queue);
  taker->queue.failure = failure;
  return JOBTAKER_END_FAILED;
}

enum jobtaker_end
jobtaker_finish(struct jobtaker *taker, struct job *job)
{
  struct jobqueue *queue = &taker->queue;
  if (!joblock_owns(&job->lock, queue))
    return lost(job);
  close_data(job);
  /* The data file of a job that stays must stay. */
  if (unlinkat(queue->queue, job->lock.control, 0) == -1 && errno != ENOENT) {
    jobqueue_fail(queue, "remove", "queue", job->lock.control);
    return end_failed(taker, job);
  }
  if (jobdata_remove(&taker->data, queue, job->data_path) == -1) {
    jobqueue_fail(queue, "remove", job->data_path, "");
    return end_failed(taker, job);
  }
  return joblock_drop(&job->lock, queue) == 0 ? JOBTAKER_DONE
                                              : JOBTAKER_END_FAILED;
}

enum jobtaker_end
jobtaker_release(struct jobtaker *taker, struct job *job)
{
  struct jobqueue *queue = &taker->queue;
  if (!joblock_owns(&job->lock, queue))
    return lost(job);
  close_data(job);
  if (joblock_drop(&job->lock, queue) == -1)
    return JOBTAKER_END_FAILED;
  /* Perl's workers wait for a new mtime of queue/. */
  futimens(queue->queue, NULL);
  return JOBTAKER_DONE;
}

/* The changed control file in tmp, on disk. 0 or -1. */
static int
write_changed(struct jobtaker *taker, struct job *job,
              struct jobtaker_move const *move, char const *name)
{
  static char text[JOBRECORD_TEXT_MAX];
  int const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  struct jobqueue *queue = &taker->queue;
  char path[JOBQUEUE_FILE_MAX + NAME_MAX];
  snprintf(path, sizeof path, "%s/%s", queue->path, job->data_path);
  size_t n = jobrecord_format(&job->record, path, move->set, move->count, text,
                              sizeof text);
  /* Only a process that was killed, with our id, could have left one. */
  unlinkat(queue->tmp, name, 0);
  int fd = n ? openat(queue->tmp, name, flags, FILE_MODE) : -1;
  if (fd == -1 && n && errno == ENOENT && jobqueue_renew_tmp(queue) == 0)
    fd = openat(queue->tmp, name, flags, FILE_MODE);
  if (fd == -1) {
    errno = n ? errno : EFBIG;
    return jobqueue_fail(queue, "create", "tmp", name);
  }
  bool written = allwrite(fd, text, n) == n && fd_sync(fd) == 0;
  if (!written)
    jobqueue_fail(queue, "write", "tmp", name);
  fd_close(fd);
  if (!written)
    unlinkat(queue->tmp, name, 0);
  return written ? 0 : -1;
}

/* Whether the place that a job is to have is another's. */
static bool
is_taken(struct jobqueue const *queue, char const *job, int directory,
         char const *name)
{
  struct stat there, ours;
  if (fstatat(directory, name, &there, AT_SYMLINK_NOFOLLOW) == -1)
    return false;
  return fstatat(queue->queue, job, &ours, AT_SYMLINK_NOFOLLOW) == -1 ||
         there.st_dev != ours.st_dev || there.st_ino != ours.st_ino;
}

/* First the changed file takes the old one's place, then it moves: each of the
 * two renames is whole or not at all. */
static int
rename_changed(struct jobqueue *queue, char const *changed, char const *job,
               struct jobtaker_move const *move)
{
  int directory = jobqueue_open(queue, move->directory);
  int result = -1;
  if (directory == -1) {
    unlinkat(queue->tmp, changed, 0);
    return -1;
  }
  /* Two jobs of a queue with fan-out may have one name, and one lock. */
  if (is_taken(queue, job, directory, move->name)) {
    errno = EEXIST;
    jobqueue_fail(queue, "move to", move->directory, move->name);
    unlinkat(queue->tmp, changed, 0);
    fd_close(directory);
    return -1;
  }
  if (renameat(queue->tmp, changed, queue->queue, job) == -1) {
    jobqueue_fail(queue, "replace", "queue", job);
    unlinkat(queue->tmp, changed, 0);
  } else if (renameat(queue->queue, job, directory, move->name) == -1)
    jobqueue_fail(queue, "move to", move->directory, move->name);
  else
    result = 0;
  fd_close(directory);
  return result;
}

enum jobtaker_end
jobtaker_move(struct jobtaker *taker, struct job *job,
              struct jobtaker_move const *move)
{
  struct jobqueue *queue = &taker->queue;
  char changed[JOBTAKER_NAME_MAX + 40];
  close_data(job);
  snprintf(changed, sizeof changed, "%s.%lld.ctrl", job->lock.job,
           (long long)taker->locker.pid);
  if (write_changed(taker, job, move, changed) == -1)
    return joblock_owns(&job->lock, queue) ? end_failed(taker, job) : lost(job);
  if (!joblock_owns(&job->lock, queue)) {
    unlinkat(queue->tmp, changed, 0);
    return lost(job);
  }
  if (rename_changed(queue, changed, job->lock.control, move) == -1)
    return end_failed(taker, job);
  return joblock_drop(&job->lock, queue) == 0 ? JOBTAKER_DONE
                                              : JOBTAKER_END_FAILED;
}

int
jobtaker_return(struct jobtaker *taker, int directory, char const *name,
                char const *job)
{
  struct jobqueue *queue = &taker->queue;
  struct stat status;
  if (fstatat(queue->queue, job, &status, AT_SYMLINK_NOFOLLOW) == 0)
    return 0;
  if (renameat(directory, name, queue->queue, job) == 0) {
    futimens(queue->queue, NULL);
    return 1;
  }
  return errno == ENOENT ? 0 : jobqueue_fail(queue, "move to", "queue", job);
}
