#include "lib/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

char const *
spool_default(void)
{
  char const *directory = getenv("TMPDIR");
  return directory && *directory ? directory : "/tmp";
}

/* For file systems that have no O_TMPFILE. */
static int
open_and_unlink(char const *directory)
{
  char path[PATH_MAX];
  int n = snprintf(path, sizeof path, "%s/trapline.XXXXXX", directory);
  if (n < 0 || (size_t)n >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int fd = mkostemp(path, O_CLOEXEC);
  if (fd >= 0)
    unlink(path);
  return fd;
}

static int
open_file(char const *directory)
{
  int fd =
      open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, (mode_t)0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
    fd = open_and_unlink(directory);
  return fd;
}

/* The buffer goes to the file's end. 0 or -1. */
static int
write_out(struct spool *spool)
{
  size_t done = 0;
  if (spool->fd < 0)
    spool->fd = open_file(spool->directory);
  if (spool->fd < 0)
    return -1;
  while (done < spool->held) {
    ssize_t n = pwrite(spool->fd, spool->buffer + done, spool->held - done,
                       (off_t)(spool->start + done));
    if (n < 0 && errno != EINTR)
      return -1;
    done += n > 0 ? (size_t)n : 0;
  }
  spool->start += spool->held;
  spool->held = 0;
  return 0;
}

void
spool_begin(struct spool *spool, char const *directory, uint64_t most)
{
  spool->directory = directory ? directory : spool_default();
  spool->fd = -1;
  spool->map = NULL;
  spool->most = most;
  spool_clear(spool);
}

void
spool_clear(struct spool *spool)
{
  if (spool->map)
    munmap(spool->map, spool->bytes);
  if (spool->fd >= 0)
    fd_close(spool->fd);
  spool->map = NULL;
  spool->fd = -1;
  spool->bytes = 0;
  spool->start = 0;
  spool->held = 0;
}

int
spool_add(struct spool *spool, char const *bytes, size_t n)
{
  if (n > spool->most - spool->bytes) {
    errno = EFBIG;
    return -1;
  }
  while (n) {
    size_t room = SPOOL_BUFFER - spool->held;
    size_t part = n < room ? n : room;
    if (!room) {
      if (write_out(spool) == -1)
        return -1;
      continue;
    }
    memcpy(spool->buffer + spool->held, bytes, part);
    spool->held += part;
    spool->bytes += part;
    bytes += part;
    n -= part;
  }
  return 0;
}

/* Fill the buffer with what is in the file from byte at on. */
static int
read_back(struct spool *spool, uint64_t at)
{
  ssize_t n;
  if (spool->start + spool->held == spool->bytes && write_out(spool) == -1)
    return -1;
  do
    n = pread(spool->fd, spool->buffer, SPOOL_BUFFER, (off_t)at);
  while (n < 0 && errno == EINTR);
  spool->start = at;
  spool->held = n > 0 ? (size_t)n : 0;
  if (!n)
    errno = EIO; /* somebody else has cut it */
  return n > 0 ? 1 : -1;
}

int
spool_get(struct spool *spool, uint64_t at, char const **bytes, size_t *n)
{
  if (at >= spool->bytes)
    return 0;
  if (at < spool->start || at >= spool->start + spool->held)
    if (read_back(spool, at) < 0)
      return -1;
  *bytes = spool->buffer + (at - spool->start);
  *n = spool->held - (size_t)(at - spool->start);
  return 1;
}

int
spool_file(struct spool *spool)
{
  /* A buffer that was read back holds nothing that the file lacks. */
  if (spool->fd < 0 || spool->start + spool->held == spool->bytes)
    if (write_out(spool) == -1)
      return -1;
  return lseek(spool->fd, 0, SEEK_SET) == 0 ? spool->fd : -1;
}

char const *
spool_text(struct spool *spool)
{
  if (spool->fd < 0 || !spool->bytes)
    return spool->buffer;
  if (spool->map)
    return spool->map;
  if (spool_file(spool) == -1)
    return NULL;
  void *map = mmap(NULL, spool->bytes, PROT_READ, MAP_SHARED, spool->fd, 0);
  spool->map = map == MAP_FAILED ? NULL : map;
  return spool->map;
}
