#include "smtpd/lease.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
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
connect_to(char const *path, int64_t begin_ms, int64_t deadline)
{
  struct timespec pause = {0, RETRY_MS * 1000000};
  for (;;) {
    int fd = unixsocket_connect(path);
    if (fd >= 0)
      return fd;
    int64_t now = clock_ms();
    if (now >= deadline || !may_pass(now - begin_ms))
      return -1;
    nanosleep(&pause, NULL);
  }
}

/* Take the pool's word. 1, or 0 with errno. */
static int
receive(struct lease *lease)
{
  int fds[FDPASS_MAX];
  size_t n;
  char byte;
  int r = fdpass_receive(lease->socket, &byte, fds, &n);
  if (r > 0 && n == 2 && (byte == LEASE_BLIND || byte == LEASE_JUDGED)) {
    lease->head = fds[0];
    lease->tail = fds[1];
    lease->blind = byte == LEASE_BLIND;
    return 1;
  }
  while (n)
    close(fds[--n]);
  if (r >= 0)
    errno = r ? EBUSY : ECONNRESET;
  return 0;
}

static int
try_once(struct lease *lease, char const *path, int64_t deadline)
{
  lease->socket = connect_to(path, clock_ms(), deadline);
  if (lease->socket < 0)
    return 0;
  if (unixsocket_wait(lease->socket, deadline) && receive(lease))
    return 1;
  int reason = errno;
  close(lease->socket);
  errno = reason;
  return 0;
}

int
lease_take(struct lease *lease, char const *path, int64_t milliseconds)
{
  int64_t deadline = clock_ms() + milliseconds;
  /* A pool that has ended may be started anew. */
  return try_once(lease, path, deadline) ||
         (errno == ECONNRESET && try_once(lease, path, deadline));
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
