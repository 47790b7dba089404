/* A confined process: what it may, and what it may no more. */
#include "edge/tlsconfine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static int pair[2];

static int
is_refused(int result)
{
  return result < 0 && errno == EPERM;
}

static int
has_memory(void)
{
  char *bytes = malloc(1000000);
  if (!bytes)
    return 0;
  bytes[999999] = 1;
  free(bytes);
  return 1;
}

static int
may_relay(void)
{
  char byte;
  return write(pair[0], "x", 1) == 1 && read(pair[1], &byte, 1) == 1 &&
         fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 &&
         shutdown(pair[0], SHUT_WR) == 0 && close(pair[1]) == 0;
}

static int
may_not_open(void)
{
  close(0); /* within the limit of descriptors */
  return is_refused(open("/dev/null", O_RDONLY));
}

static int
may_not_connect(void)
{
  close(0);
  return is_refused(socket(AF_INET, SOCK_STREAM, 0));
}

static int
may_not_kill(void)
{
  return is_refused(kill(getppid(), 0)) || is_refused(kill(1, 0));
}

static int
may_not_run(void)
{
  char *arguments[] = {NULL};
  return is_refused(execve("/bin/true", arguments, arguments));
}

static int
may_not_fork(void)
{
  return is_refused(fork());
}

static int
may_not_remove(void)
{
  return is_refused(unlink("/no/such/file"));
}

static int
may_not_make_code(void)
{
  void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return map != MAP_FAILED &&
         is_refused(mprotect(map, 4096, PROT_READ | PROT_EXEC)) &&
         mprotect(map, 4096, PROT_READ) == 0 && munmap(map, 4096) == 0;
}

static void
check(int (*is_so)(void), char const *name)
{
  int status = -1;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
    tap_ok(0, "a pair of sockets");
  pid_t pid = fork();
  if (pid == 0) {
    tlsconfine();
    _exit(is_so() ? 0 : 1);
  }
  close(pair[0]);
  close(pair[1]);
  tap_ok(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "%s", name);
}

int
main(void)
{
  check(has_memory, "memory is to be had");
  check(may_relay, "bytes may be passed on");
  if (!tlsconfine_filters())
    return tap_done();
  check(may_not_open, "no file");
  check(may_not_connect, "no connection");
  check(may_not_kill, "no signal");
  check(may_not_run, "no other program");
  check(may_not_fork, "no process");
  check(may_not_remove, "no name");
  check(may_not_make_code, "no code");
  return tap_done();
}
