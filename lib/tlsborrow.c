#include "lib/tlsborrow.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdpass.h"
#include "lib/unixsocket.h"

#define CONNECT_MS 5000
#define RETRY_MS 50
#define MARGIN_MS 5000 /* in which the service tells of a time-out */

/* The service's byte, and in *fd its descriptor or -1; 0 with errno. */
static char
receive(int service, int64_t deadline, int *fd)
{
  int fds[FDPASS_MAX];
  size_t n = 0;
  char byte = 0;
  *fd = -1;
  if (!unixsocket_wait(service, deadline))
    return 0;
  int r = fdpass_receive(service, &byte, fds, &n);
  if (!r)
    errno = ECONNRESET;
  if (n == 1)
    *fd = fds[0];
  else
    while (n)
      close(fds[--n]);
  return r > 0 ? byte : 0;
}

static int
connect_to(char const *path, int64_t deadline)
{
  struct timespec pause = {0, RETRY_MS * 1000000};
  for (;;) {
    int fd = unixsocket_connect(path);
    if (fd >= 0 || errno != EAGAIN || clock_ms() >= deadline)
      return fd;
    nanosleep(&pause, NULL);
  }
}

int
tlsborrow_connect(char const *path)
{
  int64_t deadline = clock_ms() + CONNECT_MS;
  int fd;
  int service = connect_to(path, deadline);
  if (service < 0)
    return -1;
  char byte = receive(service, deadline, &fd);
  int reason = byte ? EBUSY : errno;
  if (fd >= 0)
    close(fd);
  if (byte == TLS_READY)
    return service;
  close(service);
  errno = reason;
  return -1;
}

static void
read_text(int service, int64_t deadline, char *text)
{
  size_t used = 0;
  while (used < TLS_TEXT_MAX && unixsocket_wait(service, deadline)) {
    ssize_t r = read(service, text + used, TLS_TEXT_MAX - used);
    if (r > 0)
      used += (size_t)r;
    else if (!r || (errno != EINTR && errno != EAGAIN))
      break;
  }
  text[used] = 0;
}

int
tlsborrow_handshake(int service, int client, char *text)
{
  int64_t deadline = clock_ms() + TLS_HANDSHAKE_MS + MARGIN_MS;
  int fd = -1;
  char byte = 0;
  if (fdpass_send(service, TLS_CLIENT, &client, 1) == 0)
    byte = receive(service, deadline, &fd);
  if (byte == TLS_FAILED || (byte == TLS_OPEN && fd >= 0))
    read_text(service, deadline, text);
  else
    strcpy(text, "the TLS service broke off");
  close(service);
  if (fd >= 0 && byte != TLS_OPEN) {
    close(fd);
    fd = -1;
  }
  return fd;
}

int
tlsborrow_fact(char **text, char **key, char **value)
{
  char *lf = strchr(*text, '\n');
  *key = *text;
  if (!lf)
    return 0;
  *lf = 0;
  *text = lf + 1;
  *value = strchr(*key, '=');
  if (!*value)
    return 0;
  *(*value)++ = 0;
  return 1;
}
