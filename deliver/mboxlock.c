#include "deliver/mboxlock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#define STALE_S 300 /* as liblockfile has it */
#define TEXT_MAX 128
#define HOST_MAX 64
#define CHUNK 65536

static void
own_host(char *host)
{
  host[HOST_MAX - 1] = 0;
  if (gethostname(host, HOST_MAX - 1) == -1 || !*host)
    strcpy(host, "localhost");
}

/* The lock's text. 1, 0 if there is none, or -1. */
static int
read_lock(struct mboxfile const *file, char *text, struct stat *status)
{
  int fd = open(file->lock, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? 0 : -1;
  size_t n = allread(fd, text, TEXT_MAX - 1);
  text[n] = 0;
  int result = fstat(fd, status) == -1 ? -1 : 1;
  fd_close(fd);
  return result;
}

/* Whether it is one of ours, of this host, whose process is gone; or is this
 * one, which could not undo an append. */
static bool
is_orphan(char const *text, off_t *before)
{
  char host[HOST_MAX], own[HOST_MAX];
  long pid;
  intmax_t length;
  int end = 0;
  own_host(own);
  if (sscanf(text, "%ld %63s %jd%n", &pid, host, &length, &end) != 3 ||
      text[end] != '\n' || text[end + 1] || pid <= 1 || length < 0 ||
      strcmp(host, own) != 0)
    return false;
  *before = (off_t)length;
  return pid == getpid() || (kill((pid_t)pid, 0) == -1 && errno == ESRCH);
}

/* Whether all behind this offset can be one unfinished message of ours: it
 * begins as one, perhaps behind empty lines, and has no second separator, which
 * we would have quoted. */
static bool
is_ours(int fd, off_t from)
{
  static char chunk[CHUNK + 6];
  size_t kept = 0, separators = 0;
  bool is_first = true;
  ssize_t n;
  while ((n = pread(fd, chunk + kept, CHUNK, from)) > 0) {
    size_t used = kept + (size_t)n;
    char *p = chunk;
    from += n;
    if (is_first) {
      p += strspn(p, "\n") > 2 ? 2 : strspn(p, "\n");
      size_t rest = used - (size_t)(p - chunk);
      if (memcmp(p, "From ", rest < 5 ? rest : 5) != 0)
        return false;
    }
    is_first = false;
    for (; (p = memmem(p, used - (size_t)(p - chunk), "\nFrom ", 6)); p++)
      separators++;
    kept = used < 5 ? used : 5;
    memmove(chunk, chunk + used - kept, kept);
  }
  return n == 0 && separators == 0;
}

/* 0 or -1. */
static int
cut(struct mboxfile *file, off_t before)
{
  struct stat status;
  if (fstat(file->fd, &status) == -1)
    return -1;
  if (status.st_size <= before || !is_ours(file->fd, before))
    return 0;
  if (ftruncate(file->fd, before) == -1 || fd_sync(file->fd) == -1)
    return -1;
  file->cut = (uint64_t)(status.st_size - before);
  return 0;
}

/* See whether the lock that is there may go. 1 if it went, 0, or -1. */
static int
break_lock(struct mboxfile *file)
{
  char text[TEXT_MAX];
  struct stat status;
  off_t before;
  int found = read_lock(file, text, &status);
  if (found != 1)
    return found == 0 ? 1 : -1;
  if (is_orphan(text, &before)) {
    if (cut(file, before) == -1)
      return -1;
  } else if (time(NULL) - status.st_mtime < STALE_S)
    return 0;
  file->broke = true;
  return unlink(file->lock) == -1 && errno != ENOENT ? -1 : 1;
}

int
mboxlock_write(struct mboxfile const *file, off_t length)
{
  char text[TEXT_MAX], host[HOST_MAX];
  own_host(host);
  /* Of one length always: it is written over. */
  int n = snprintf(text, sizeof text, "%ld %s %020jd\n", (long)getpid(), host,
                   (intmax_t)length);
  ssize_t written = pwrite(file->lock_fd, text, (size_t)n, 0);
  if (written >= 0 && written < n)
    errno = ENOSPC;
  return written == n ? fd_sync(file->lock_fd) : -1;
}

static int
write_lock(struct mboxfile *file)
{
  struct stat status;
  if (fstat(file->fd, &status) == -1)
    return -1;
  file->before = status.st_size;
  return mboxlock_write(file, file->before);
}

/* The lock gets its name when it is whole: an empty one, left by SIGKILL, would
 * be anybody's. 0 or -1. */
static int
link_lock(struct mboxfile *file)
{
  char unnamed[40];
  snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", file->lock_fd);
  if (write_lock(file) == -1 ||
      linkat(AT_FDCWD, unnamed, AT_FDCWD, file->lock, AT_SYMLINK_FOLLOW) == -1)
    return -1;
  file->has_lock = true;
  return 0;
}

/* Where the file system has no files without a name, or there is no /proc. */
static int
create_lock(struct mboxfile *file)
{
  file->lock_fd =
      open(file->lock, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
           (mode_t)0644);
  if (file->lock_fd < 0)
    return -1;
  file->has_lock = true;
  return write_lock(file);
}

static int
make_lock(struct mboxfile *file)
{
  char directory[PATH_MAX];
  mboxfile_directory(file, directory);
  file->lock_fd =
      open(directory, O_WRONLY | O_TMPFILE | O_CLOEXEC, (mode_t)0644);
  if (file->lock_fd < 0)
    return create_lock(file);
  if (link_lock(file) == 0)
    return 0;
  fd_close(file->lock_fd);
  file->lock_fd = -1;
  return errno == ENOENT ? create_lock(file) : -1;
}

int
mboxlock_take(struct mboxfile *file)
{
  int result = make_lock(file);
  if (result == -1 && errno == EEXIST) {
    result = break_lock(file);
    if (result != 1)
      return result;
    result = make_lock(file);
  }
  if (result == 0)
    return 1;
  return errno == EEXIST ? 0 : -1;
}
