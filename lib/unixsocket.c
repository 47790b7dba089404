#include "lib/unixsocket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"

int
unixsocket_connect(char const *path)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 ||
      connect(fd, (struct sockaddr const *)&address, sizeof address) == 0)
    return fd;
  int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

int
unixsocket_wait(int fd, int64_t deadline)
{
  struct pollfd poller = {fd, POLLIN, 0};
  for (;;) {
    int64_t left = deadline - clock_ms();
    int r = poll(&poller, 1, left > 0 ? (int)left : 0);
    if (r > 0)
      return 1;
    if (!r)
      errno = ETIMEDOUT;
    if (!r || errno != EINTR)
      return 0;
  }
}
