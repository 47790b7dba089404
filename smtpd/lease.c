#include "smtpd/lease.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "lib/fdpass.h"
#include "lib/unixsocket.h"

#define RETRY_MS 50
#define RESTART_MS 2000

/* EAGAIN: the socket's queue is full; the others: nobody listens, which may be
 * a pool that is being started anew. */
static bool
may_pass(int64_t waited_ms)
{
  return errno == EAGAIN ||
         ((errno == ENOENT || errno == ECONNREFUSED) && waited_ms < RESTART_MS);
}

static int
connect_to(char const *path, int64_t milliseconds)
{
  struct timespec pause = {0, RETRY_MS * 1000000};
  for (int64_t waited_ms = 0;; waited_ms += RETRY_MS) {
    int fd = unixsocket_connect(path);
    if (fd >= 0 || waited_ms >= milliseconds || !may_pass(waited_ms))
      return fd;
    nanosleep(&pause, NULL);
  }
}

/* Wait for the pool's word. 1, or 0 with errno. */
static int
receive(struct lease *lease, int64_t milliseconds)
{
  struct pollfd fd = {lease->socket, POLLIN, 0};
  int fds[FDPASS_MAX];
  size_t n = 0;
  char byte = 0;
  int r;
  do
    r = poll(&fd, 1, (int)milliseconds);
  while (r < 0 && errno == EINTR);
  if (r > 0)
    r = fdpass_receive(lease->socket, &byte, fds, &n);
  else if (!r)
    errno = ETIMEDOUT;
  if (r > 0 && n == 2 && (byte == LEASE_BLIND || byte == LEASE_JUDGED)) {
    lease->head = fds[0];
    lease->tail = fds[1];
    lease->blind = byte == LEASE_BLIND;
    return 1;
  }
  while (n)
    close(fds[--n]);
  if (r > 0)
    errno = EBUSY;
  else if (!r && errno != ETIMEDOUT)
    errno = ECONNRESET;
  return 0;
}

int
lease_take(struct lease *lease, char const *path, int64_t milliseconds)
{
  lease->socket = connect_to(path, milliseconds);
  if (lease->socket < 0)
    return 0;
  if (receive(lease, milliseconds))
    return 1;
  int reason = errno;
  close(lease->socket);
  errno = reason;
  return 0;
}

void
lease_end(struct lease *lease, bool clean)
{
  close(lease->head);
  close(lease->tail);
  if (clean)
    fdpass_send(lease->socket, LEASE_CLEAN, NULL, 0);
  close(lease->socket);
}
