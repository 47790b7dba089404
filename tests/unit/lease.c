/* A borrower's side of the pool's socket, against a pool that says what it
 * should not. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdpass.h"
#include "smtpd/lease.h"
#include "tests/unit/tap.h"

#define LATE_MS 1500

static char path[] = "/tmp/trapline-lease.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};

/* So many borrowers are hung up on first. */
static int dropped;

/* A process that accepts one borrower, says a byte with so many descriptors
 * (below 0: closes at once) and exits with what it hears then. */
static void
serve(int listener, char byte, int descriptors)
{
  int const fds[2] = {0, 1};
  struct timeval patience = {20, 0};
  char heard = 0;
  if (fork())
    return;
  alarm(20);
  for (int i = 0; i < dropped; i++)
    close(accept(listener, NULL, NULL));
  int fd = accept(listener, NULL, NULL);
  if (descriptors < 0)
    _exit(0);
  fdpass_send(fd, byte, fds, (size_t)descriptors);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  _exit(read(fd, &heard, 1) == 1 ? heard : 0);
}

static int
bound_socket(void)
{
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  unlink(address.sun_path);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
    _exit(111);
  return fd;
}

/* A pool that listens after half of the time, and says nothing: how long that
 * is waited for, with errno. */
static int64_t
wait_for_late_pool(void)
{
  struct lease lease;
  struct timespec pause = {0, LATE_MS / 2 * 1000000};
  int listener = bound_socket();
  int64_t begin_ms = clock_ms();
  pid_t pid = fork();
  if (!pid) {
    nanosleep(&pause, NULL);
    _exit(listen(listener, 10) < 0);
  }
  int lent = lease_take(&lease, address.sun_path, LATE_MS);
  int reason = lent ? 0 : errno;
  int64_t waited_ms = clock_ms() - begin_ms;
  waitpid(pid, NULL, 0);
  close(listener);
  errno = reason;
  return waited_ms;
}

/* What is left of the time is waited for, not all of it again. A machine may
 * be too busy to tell that, but not each time. */
static void
test_late(void)
{
  int64_t waited_ms = 0;
  bool in_time = false;
  for (int i = 0; i < 10 && !in_time; i++) {
    waited_ms = wait_for_late_pool();
    in_time = errno == ETIMEDOUT && waited_ms < LATE_MS + LATE_MS / 2;
  }
  tap_is_number(errno, ETIMEDOUT, "a late pool that says nothing");
  tap_ok(waited_ms >= LATE_MS, "... has its time");
  tap_ok(in_time, "... and no more than any");
}

static int
heard(void)
{
  int status = 0;
  wait(&status);
  return WEXITSTATUS(status);
}

static void
test_lent(int listener, char byte, int blind, int clean)
{
  struct lease lease;
  serve(listener, byte, 2);
  tap_is_number(lease_take(&lease, address.sun_path, 20000), 1, "lent");
  tap_is_number(lease.blind, blind, "... and judged as it was said");
  lease_end(&lease, clean);
  tap_is_number(heard(), clean ? LEASE_CLEAN : 0,
                clean ? "... given back, clean" : "... dropped");
}

static void
test_not_lent(int listener, char byte, int descriptors, int error)
{
  struct lease lease;
  serve(listener, byte, descriptors);
  tap_is_number(lease_take(&lease, address.sun_path, 20000), 0, "not lent");
  tap_is_number(errno, error, "... errno says why");
  heard();
}

int
main(void)
{
  struct lease lease;
  int64_t begin_ms;
  if (!mkdtemp(path))
    return 111;
  strcat(strcpy(address.sun_path, path), "/pool");

  begin_ms = clock_ms();
  tap_is_number(lease_take(&lease, address.sun_path, 200), 0, "no socket");
  tap_is_number(errno, ENOENT, "... is ENOENT");
  tap_ok(clock_ms() - begin_ms >= 200, "... after the time that it may take");

  test_late();
  int listener = bound_socket();
  if (listen(listener, 10) < 0)
    return 111;
  test_lent(listener, LEASE_JUDGED, 0, 1);
  test_lent(listener, LEASE_BLIND, 1, 1);
  test_lent(listener, LEASE_BLIND, 1, 0);
  test_not_lent(listener, LEASE_REFUSED, 0, EBUSY);
  test_not_lent(listener, LEASE_JUDGED, 1, EBUSY);
  test_not_lent(listener, LEASE_WANTED, 2, EBUSY);
  dropped = 1;
  test_not_lent(listener, 0, -1, ECONNRESET);
  test_lent(listener, LEASE_BLIND, 1, 1);
  tap_is_number(lease_take(&lease, address.sun_path, 100), 0, "no word");
  tap_is_number(errno, ETIMEDOUT, "... is ETIMEDOUT");
  char long_path[200];
  memset(long_path, 'x', sizeof long_path - 1);
  long_path[sizeof long_path - 1] = 0;
  tap_is_number(lease_take(&lease, long_path, 100), 0, "a path too long");
  tap_is_number(errno, ENAMETOOLONG, "... is ENAMETOOLONG");
  unlink(address.sun_path);
  rmdir(path);
  return tap_done();
}
