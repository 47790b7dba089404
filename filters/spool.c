#include "filters/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 1, or 0 with errno. */
static int
open_file(struct spool *spool)
{
  char path[4096];
  char const *directory = getenv("TMPDIR");
  if (!directory || !*directory)
    directory = "/tmp";
  int n = snprintf(path, sizeof path, "%s/trapline.XXXXXX", directory);
  if (n < 0 || (size_t)n >= sizeof path) {
    errno = ENAMETOOLONG;
    return 0;
  }
  spool->fd = mkostemp(path, O_CLOEXEC);
  if (spool->fd < 0)
    return 0;
  unlink(path);
  return 1;
}

/* The buffer goes to the file's end. 1, or 0 with errno. */
static int
write_out(struct spool *spool)
{
  size_t done = 0;
  if (spool->fd < 0 && !open_file(spool))
    return 0;
  while (done < spool->held) {
    ssize_t n = pwrite(spool->fd, spool->buffer + done, spool->held - done,
                       (off_t)(spool->start + done));
    if (n < 0 && errno != EINTR)
      return 0;
    done += n > 0 ? (size_t)n : 0;
  }
  spool->start += spool->held;
  spool->held = 0;
  return 1;
}

void
spool_begin(struct spool *spool, uint64_t most)
{
  spool->fd = -1;
  spool->most = most;
  spool_clear(spool);
}

void
spool_clear(struct spool *spool)
{
  if (spool->fd >= 0)
    close(spool->fd);
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
    return 0;
  }
  while (n) {
    size_t room = SPOOL_BUFFER - spool->held;
    size_t part = n < room ? n : room;
    if (!room) {
      if (!write_out(spool))
        return 0;
      continue;
    }
    memcpy(spool->buffer + spool->held, bytes, part);
    spool->held += part;
    spool->bytes += part;
    bytes += part;
    n -= part;
  }
  return 1;
}

/* Fill the buffer with what is in the file from byte at on. */
static int
read_back(struct spool *spool, uint64_t at)
{
  ssize_t n;
  if (spool->start + spool->held == spool->bytes && !write_out(spool))
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
