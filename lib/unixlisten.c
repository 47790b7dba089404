#include "lib/unixsocket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "lib/exitcode.h"

#define BACKLOG 4096

static void
remove_stale(char const *path)
{
  struct stat status;
  if (lstat(path, &status) < 0)
    return;
  if (!S_ISSOCK(status.st_mode))
    strerr_dief(EXIT_PERMANENT, path, " is there and no socket");
  if (unixsocket_connect(path) >= 0 || errno == EAGAIN) /* it is busy */
    strerr_dief(EXIT_TEMPORARY, path, ": another service listens there");
  if (errno != ECONNREFUSED)
    strerr_diefusys(EXIT_TEMPORARY, "see who listens at ", path);
  unlink(path);
}

int
unixsocket_listen(char const *path)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path)
    strerr_dief(EXIT_PERMANENT, "path too long: ", path);
  strcpy(address.sun_path, path);
  remove_stale(path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  mode_t mask = umask(0117);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      listen(fd, BACKLOG) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "listen at ", path);
  umask(mask);
  return fd;
}
