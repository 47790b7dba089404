#include "deliver/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
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

int
spool_open(struct spool *spool, char const *directory)
{
  spool->bytes = 0;
  spool->used = 0;
  spool->fd =
      open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, (mode_t)0600);
  if (spool->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
    spool->fd = open_and_unlink(directory);
  return spool->fd < 0 ? -1 : 0;
}

static int
flush(struct spool *spool)
{
  size_t used = spool->used;
  spool->used = 0;
  return allwrite(spool->fd, spool->buffer, used) == used ? 0 : -1;
}

int
spool_write(struct spool *spool, char const *bytes, size_t n)
{
  spool->bytes += n;
  while (n) {
    size_t room = sizeof spool->buffer - spool->used;
    size_t part = n < room ? n : room;
    memcpy(spool->buffer + spool->used, bytes, part);
    spool->used += part;
    bytes += part;
    n -= part;
    if (spool->used == sizeof spool->buffer && flush(spool) == -1)
      return -1;
  }
  return 0;
}

int
spool_rewind(struct spool *spool)
{
  return flush(spool) == 0 && lseek(spool->fd, 0, SEEK_SET) == 0 ? 0 : -1;
}

void
spool_close(struct spool *spool)
{
  if (spool->fd >= 0)
    fd_close(spool->fd);
  spool->fd = -1;
}
