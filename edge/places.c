#include "edge/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_SHIFT 12 /* a kind has 4096 bytes of a file's 2^63 */

/* There are 256 files, so that the kernel need not look through all locks of
 * all kinds. -1 with errno. */
static int
open_file(char const *directory, uint64_t kind)
{
  char path[4096];
  int const flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  if ((size_t)snprintf(path, sizeof path, "%s/%02x", directory,
                       (unsigned int)(kind & 0xff)) >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int fd = open(path, flags, 0600);
  if (fd < 0 && errno == ENOENT &&
      (mkdir(directory, 0700) == 0 || errno == EEXIST))
    fd = open(path, flags, 0600);
  return fd;
}

enum places_result
places_take(char const *directory, uint64_t kind, uint32_t most, int *fd)
{
  /* Anywhere, so that few tries are needed. */
  uint32_t first = (uint32_t)getpid() % most;
  *fd = open_file(directory, kind);
  bool failed = *fd < 0;
  for (uint32_t i = 0; !failed && i < most; i++) {
    struct flock place = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    place.l_start = (off_t)((kind >> 14 << MOST_SHIFT) + (first + i) % most);
    if (fcntl(*fd, F_OFD_SETLK, &place) == 0)
      return PLACES_TAKEN;
    failed = errno != EAGAIN && errno != EACCES;
  }
  if (*fd >= 0) {
    int error = errno;
    close(*fd);
    errno = error;
  }
  return failed ? PLACES_FAILED : PLACES_FULL;
}
