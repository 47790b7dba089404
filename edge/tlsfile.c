#include "edge/tlsfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

int
tlsfile_stat(char const *path, struct tlsfile *file)
{
  struct stat status;
  if (stat(path, &status) < 0)
    return 0;
  *file = (struct tlsfile){status.st_dev, status.st_ino, status.st_size,
                           status.st_ctim};
  return 1;
}

int
tlsfile_is_same(struct tlsfile const *a, struct tlsfile const *b)
{
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->changed.tv_sec == b->changed.tv_sec &&
         a->changed.tv_nsec == b->changed.tv_nsec;
}

char const *
tlsfile_read(char const *path, char *out, size_t size, size_t *n)
{
  struct stat status;
  char const *wrong = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return strerror(errno);
  if (fstat(fd, &status) < 0)
    wrong = strerror(errno);
  else if (!S_ISREG(status.st_mode))
    wrong = "no file";
  else if (status.st_size > (off_t)size)
    wrong = "too long";
  if (!wrong) {
    errno = 0;
    *n = allread(fd, out, size);
    if (*n < size && errno && errno != EPIPE)
      wrong = strerror(errno);
  }
  close(fd);
  return wrong;
}
