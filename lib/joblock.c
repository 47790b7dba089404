#include "lib/joblock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/types.h>

#include "lib/fnv.h"

#define FILE_MODE 0640
#define LIFETIME_S 600
#define ATTEMPTS 3

int
joblock_start(struct joblocker *locker, char const *host)
{
  char own[JOBLOCK_HOST_MAX + 1] = "";
  size_t used = 0;
  locker->pid = getpid();
  locker->lifetime_s = LIFETIME_S;
  locker->remote_s = 0;
  locker->first = NULL;
  if (!host && gethostname(own, sizeof own - 1) == -1)
    own[0] = 0;
  for (char const *p = host ? host : own; *p; p++) {
    if (used == JOBLOCK_HOST_MAX) {
      errno = ENAMETOOLONG;
      return -1;
    }
    if (*p != '\r' && *p != '\n')
      locker->host[used++] = *p;
  }
  locker->host[used] = 0;
  if (!used)
    strcpy(locker->host, "nohost");
  return getrandom(&locker->seed, sizeof locker->seed, 0) == sizeof locker->seed
             ? 0
             : -1;
}

int
joblock_parse(char *text, size_t n, pid_t *pid)
{
  uint32_t number;
  char *lf = memchr(text, '\n', n);
  if (!lf || lf == text || memchr(text, 0, n))
    return 0;
  char *digits = lf + 1;
  char *end = memchr(digits, '\n', (size_t)(text + n - digits));
  if (!end)
    return 0;
  *lf = *end = 0;
  if (!uint320_scan(digits, &number) || !number || number > INT32_MAX)
    return 0;
  *pid = (pid_t)number;
  return 1;
}

void
joblock_init(struct joblock *lock, struct joblocker *locker)
{
  memset(lock, 0, sizeof *lock);
  lock->fd = -1;
  lock->next = locker->first;
  locker->first = lock;
}

void
joblock_forget(struct joblock *lock)
{
  if (lock->fd >= 0)
    close(lock->fd);
  lock->fd = -1;
}

static int
write_text(int fd, struct joblocker const *locker)
{
  char text[JOBLOCK_TEXT_MAX];
  int n = snprintf(text, sizeof text, "%s\n%lld\n", locker->host,
                   (long long)locker->pid);
  if (lseek(fd, 0, SEEK_SET) == 0 && allwrite(fd, text, (size_t)n) == (size_t)n)
    return fd_sync(fd);
  int error = errno;
  if (ftruncate(fd, 0) == -1)
    return -1;
  errno = error;
  return -1;
}

/* Whoever takes jobs makes room: on a full disk an empty lock has to do, and
 * gets its text as soon as there is some. Our rules know such a lock; Perl
 * workers let it alone. 0 or -1. */
static int
give_text(struct joblock *lock, struct joblocker const *locker)
{
  lock->empty = write_text(lock->fd, locker) == -1;
  return lock->empty && errno != ENOSPC && errno != EDQUOT ? -1 : 0;
}

/* A slash in a host name would be a path, and one of 255 bytes too long a name.
 */
static void
name_file(struct joblock *lock, struct joblocker const *locker)
{
  static unsigned int made;
  snprintf(lock->file, sizeof lock->file, "lock%u.%lld.%.100s.%lld.active",
           made++, (long long)time(NULL), locker->host, (long long)locker->pid);
  for (char *p = lock->file; *p; p++)
    if (*p == '/')
      *p = '_';
}

static int
create_file(struct joblock *lock, struct joblocker const *locker,
            struct jobqueue *queue)
{
  int const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  struct stat status;
  joblock_forget(lock);
  name_file(lock, locker);
  lock->fd = openat(queue->tmp, lock->file, flags, FILE_MODE);
  if (lock->fd == -1 && errno == ENOENT && jobqueue_renew_tmp(queue) == 0)
    lock->fd = openat(queue->tmp, lock->file, flags, FILE_MODE);
  if (lock->fd == -1)
    return jobqueue_fail(queue, "create", "tmp", lock->file);
  if (give_text(lock, locker) == 0 && fstat(lock->fd, &status) == 0) {
    lock->device = status.st_dev;
    lock->inode = status.st_ino;
    return 0;
  }
  jobqueue_fail(queue, "write", "tmp", lock->file);
  joblock_remove(lock, queue);
  errno = queue->failure.error;
  return -1;
}

int
joblock_prepare(struct joblock *lock, struct joblocker const *locker,
                struct jobqueue *queue)
{
  if (lock->fd < 0)
    return create_file(lock, locker, queue);
  if (lock->empty && give_text(lock, locker) == -1)
    return jobqueue_fail(queue, "write", "tmp", lock->file);
  return 0;
}

static bool
is_file_of(struct joblock const *lock, struct stat const *status)
{
  return lock->fd >= 0 && status->st_dev == lock->device &&
         status->st_ino == lock->inode;
}

static bool
is_of_this_process(struct joblocker const *locker, struct stat const *status)
{
  for (struct joblock const *lock = locker->first; lock; lock = lock->next)
    if (is_file_of(lock, status))
      return true;
  return false;
}

/* 0 to 255, other for each job and each process: Perl's workers, who do not
 * take the flock, wait so at another time. */
static int64_t
fudge(struct joblocker const *locker, char const *job)
{
  uint64_t hash = fnv_string(locker->seed ^ FNV_BASIS, job);
  return (int64_t)(hash >> 32) % JOBLOCK_FUDGE_S;
}

/* Read a lock. Returns its length, or -1. */
static ssize_t
read_lock(struct jobqueue const *queue, char const *job, char *text,
          size_t size)
{
  int fd = openat(queue->active, job,
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd == -1)
    return -1;
  ssize_t n = fd_read(fd, text, size);
  close(fd);
  return n;
}

/* Whether who holds this lock is gone, as far as one can tell. Writes "host
 * pid" of him into lock->robbed. */
static bool
is_stale(struct joblock *lock, struct joblocker const *locker,
         struct jobqueue const *queue, char const *job,
         struct stat const *status)
{
  char text[JOBLOCK_TEXT_MAX];
  pid_t pid;
  int64_t age = (int64_t)time(NULL) - (int64_t)status->st_mtime;
  if (age < locker->lifetime_s || !S_ISREG(status->st_mode) ||
      is_of_this_process(locker, status))
    return false;
  ssize_t n = read_lock(queue, job, text, sizeof text);
  if (n == -1)
    return false;
  if (!joblock_parse(text, (size_t)n, &pid)) {
    strcpy(lock->robbed, "unknown");
    return age >= locker->lifetime_s + JOBLOCK_FUDGE_S;
  }
  snprintf(lock->robbed, sizeof lock->robbed, "%s %lld", text, (long long)pid);
  int64_t late = age - fudge(locker, job);
  if (strcmp(text, locker->host))
    return locker->remote_s && late >= locker->remote_s;
  if (late < locker->lifetime_s)
    return false;
  return pid == locker->pid || (kill(pid, 0) == -1 && errno == ESRCH);
}

static bool
is_same(struct stat const *one, struct stat const *other)
{
  return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static int
look(int directory, char const *name, struct stat *status)
{
  return fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW);
}

/* The flock holds off all who follow these rules, until the descriptor is
 * closed; that the control file and the lock are still what was judged is seen
 * under it. Whether the stale lock is gone. */
static bool
remove_stale(struct jobqueue const *queue, struct joblock const *lock,
             struct stat const *judged, int control)
{
  char const *job = jobfan_base(lock->control);
  struct stat now, ours;
  if (flock(control, LOCK_EX | LOCK_NB) == -1 || fstat(control, &ours) == -1 ||
      look(queue->queue, lock->control, &now) == -1 || !is_same(&now, &ours))
    return false;
  return look(queue->active, job, &now) == 0 && is_same(&now, judged) &&
         now.st_mtim.tv_sec == judged->st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == judged->st_mtim.tv_nsec &&
         unlinkat(queue->active, job, 0) == 0;
}

/* link(2) said that the name is taken. Whether to try again. */
static bool
take_over(struct joblock *lock, struct joblocker const *locker,
          struct jobqueue *queue, char const *job, int control)
{
  struct stat status;
  if (look(queue->active, job, &status) == -1)
    return errno == ENOENT;
  if (is_file_of(lock, &status)) { /* over NFS: it was made */
    lock->held = true;
    return false;
  }
  return is_stale(lock, locker, queue, job, &status) &&
         remove_stale(queue, lock, &status, control);
}

enum joblock_result
joblock_take(struct joblock *lock, struct joblocker *locker,
             struct jobqueue *queue, char const *name, int control)
{
  char const *job = jobfan_base(name);
  snprintf(lock->control, sizeof lock->control, "%s", name);
  lock->held = false;
  lock->robbed[0] = 0;
  for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (joblock_prepare(lock, locker, queue) == -1)
      return JOBLOCK_FAILED;
    if (futimens(lock->fd, NULL) == 0 &&
        linkat(queue->tmp, lock->file, queue->active, job, 0) == 0)
      lock->held = true;
    else if (errno == ENOENT) {
      /* A cleaner took the file, or all of tmp; or, if a new one cannot be
       * linked either, active. */
      joblock_remove(lock, queue);
      if (attempt > 1 && jobqueue_renew_active(queue) == -1)
        return JOBLOCK_FAILED;
    } else if (errno != EEXIST) {
      jobqueue_fail(queue, "link", "active", job);
      return JOBLOCK_FAILED;
    } else if (!take_over(lock, locker, queue, job, control) && !lock->held)
      return JOBLOCK_BUSY;
    if (lock->held) {
      strcpy(lock->job, job);
      return JOBLOCK_TAKEN;
    }
  }
  jobqueue_fail(queue, "lock", "active", job);
  return JOBLOCK_FAILED;
}

bool
joblock_owns(struct joblock const *lock, struct jobqueue const *queue)
{
  struct stat status;
  return lock->held && look(queue->active, lock->job, &status) == 0 &&
         is_file_of(lock, &status);
}

bool
joblock_beat(struct joblock const *lock, struct jobqueue const *queue)
{
  return joblock_owns(lock, queue) && futimens(lock->fd, NULL) == 0;
}

int
joblock_drop(struct joblock *lock, struct jobqueue *queue)
{
  bool ours = joblock_owns(lock, queue);
  lock->held = false;
  if (!ours || unlinkat(queue->active, lock->job, 0) == 0 || errno == ENOENT)
    return 0;
  return jobqueue_fail(queue, "remove", "active", lock->job);
}

void
joblock_remove(struct joblock *lock, struct jobqueue const *queue)
{
  if (lock->fd >= 0)
    unlinkat(queue->tmp, lock->file, 0);
  joblock_forget(lock);
}
