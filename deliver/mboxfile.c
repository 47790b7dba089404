#include "deliver/mboxfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "deliver/ending.h"
#include "deliver/mboxlock.h"
#include "lib/clock.h"

#define STEP_NS 20000000 /* between two tries to get a lock */
#define OPEN_FLAGS (O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define CHUNK 65536

static int
failed(struct mboxfile *file, char const *action)
{
  file->action = action;
  return -1;
}

static int
open_regular(struct mboxfile *file)
{
  struct stat status;
  file->fd = open(file->path, OPEN_FLAGS);
  if (file->fd < 0 && errno == ENOENT) {
    file->fd = open(file->path, OPEN_FLAGS | O_CREAT | O_EXCL, (mode_t)0600);
    file->is_new = file->fd >= 0;
  }
  if (file->fd < 0)
    return errno == EEXIST ? 0 : failed(file, "open");
  if (fstat(file->fd, &status) == -1)
    return failed(file, "look at");
  if (S_ISREG(status.st_mode))
    return 0;
  errno = EINVAL;
  return failed(file, "use what is no regular file");
}

/* Whether the path is still this file: who rotates it may come between. */
static bool
is_current(struct mboxfile const *file)
{
  struct stat opened, named;
  return fstat(file->fd, &opened) == 0 && lstat(file->path, &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* 1, 0 if another one has a lock, or -1. */
static int
try_locks(struct mboxfile *file)
{
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (file->fd < 0 && open_regular(file) == -1)
    return -1;
  if (file->fd < 0)
    return 0;
  if (fcntl(file->fd, F_SETLK, &whole) == -1)
    return errno == EAGAIN || errno == EACCES ? 0 : failed(file, "lock");
  if (!is_current(file)) {
    fd_close(file->fd);
    file->fd = -1;
    return 0;
  }
  int result = mboxlock_take(file);
  return result == -1 ? failed(file, "make the .lock of") : result;
}

int
mboxfile_open(struct mboxfile *file, char const *path, unsigned int limit_s)
{
  struct timespec step = {0, STEP_NS};
  int64_t end_ms = clock_ms() + (int64_t)limit_s * 1000;
  int result;
  file->fd = file->lock_fd = -1;
  file->has_lock = file->is_new = file->broke = false;
  file->cut = 0;
  snprintf(file->path, sizeof file->path, "%s", path);
  snprintf(file->lock, sizeof file->lock, "%s.lock", file->path);
  while ((result = try_locks(file)) == 0) {
    if (clock_ms() >= end_ms || ending_is_due()) {
      errno = ending_is_due() ? EINTR : ETIMEDOUT;
      result = failed(file, "lock");
      break;
    }
    nanosleep(&step, NULL);
  }
  if (result != -1)
    return 0;
  int reason = errno;
  mboxfile_close(file);
  errno = reason;
  return -1;
}

/* Other tools may have left a last line without an end, or no empty line. */
static int
separate(struct mboxfile *file)
{
  char tail[2] = {'\n', '\n'};
  size_t n = file->before < 2 ? (size_t)file->before : 2;
  if (pread(file->fd, tail + 2 - n, n, file->before - (off_t)n) != (ssize_t)n)
    return -1;
  if (!n || (tail[0] == '\n' && tail[1] == '\n'))
    return 0;
  size_t missing = tail[1] == '\n' ? 1 : 2;
  return allwrite(file->fd, "\n\n", missing) == missing ? 0 : -1;
}

static int
copy(struct mboxfile *file, int from)
{
  static char chunk[CHUNK];
  ssize_t n;
  if (separate(file) == -1)
    return failed(file, "write to");
  while ((n = fd_read(from, chunk, sizeof chunk)) > 0)
    if (allwrite(file->fd, chunk, (size_t)n) != (size_t)n)
      return failed(file, "write to");
  if (n < 0)
    return failed(file, "read the spool file for");
  return fd_sync(file->fd) == -1 ? failed(file, "sync") : 0;
}

void
mboxfile_directory(struct mboxfile const *file, char *directory)
{
  strcpy(directory, file->path);
  char *slash = strrchr(directory, '/');
  strcpy(slash ? slash + (slash == directory) : directory, slash ? "" : ".");
}

/* The name of a new file must survive a power cut, too. */
static int
sync_directory(struct mboxfile *file)
{
  char directory[PATH_MAX];
  mboxfile_directory(file, directory);
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = fd < 0 ? -1 : fd_sync(fd);
  if (fd >= 0)
    fd_close(fd);
  return result == -1 ? failed(file, "sync the directory of") : 0;
}

/* The lock's removal may not be on disk when the power is cut: what it says of
 * the message must be that it is whole. */
static int
settle(struct mboxfile *file)
{
  struct stat status;
  return fstat(file->fd, &status) == -1 ||
                 mboxlock_write(file, status.st_size) == -1
             ? failed(file, "write the .lock of")
             : 0;
}

int
mboxfile_append(struct mboxfile *file, int from)
{
  if (copy(file, from) == 0 && (!file->is_new || sync_directory(file) == 0) &&
      settle(file) == 0)
    return 0;
  int reason = errno;
  /* If this fails the .lock stays: the next one to come cuts. */
  if (ftruncate(file->fd, file->before) == -1 || fd_sync(file->fd) == -1)
    file->has_lock = false;
  errno = reason;
  return -1;
}

static void
close_one(int *fd)
{
  if (*fd >= 0)
    fd_close(*fd);
  *fd = -1;
}

int
mboxfile_close(struct mboxfile *file)
{
  int result = file->has_lock ? unlink(file->lock) : 0;
  int reason = errno;
  file->has_lock = false;
  close_one(&file->lock_fd);
  close_one(&file->fd);
  errno = reason;
  return result;
}
