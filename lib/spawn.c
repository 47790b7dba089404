#include "lib/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include "lib/clock.h"

#define REAP_MS 2000
#define REAP_STEP_NS 50000 /* the first pause; each is twice the last */

extern char **environ;

/* Whether a variable comes from what is in front of us: PROTO, TCP...,
 * XNOTE_..., IPLIMIT and whatever PROTO says. A host name or ident answer is
 * the client's own text, and a stage may be a shell script. */
static bool
tells_of_client(char const *variable, char const *proto)
{
  if (!strncmp(variable, "PROTO=", 6) || !strncmp(variable, "TCP", 3) ||
      !strncmp(variable, "SSL", 3) || !strncmp(variable, "XNOTE_", 6) ||
      !strncmp(variable, "IPLIMIT=", 8))
    return true;
  return proto && *proto && !strncmp(variable, proto, strlen(proto));
}

static void
clean_environment(void)
{
  char const *proto = getenv("PROTO");
  char **to = environ;
  for (char **from = environ; *from; from++)
    if (!tells_of_client(*from, proto))
      *to++ = *from;
  *to = NULL;
}

static int
set_attributes(posix_spawnattr_t *attributes, pid_t group)
{
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETSIGDEF |
                                                  POSIX_SPAWN_SETPGROUP) ||
         posix_spawnattr_setsigmask(attributes, &none) ||
         posix_spawnattr_setsigdefault(attributes, &all) ||
         posix_spawnattr_setpgroup(attributes, group);
}

/* Start one stage on two descriptors. 0 or an errno. */
static int
spawn_stage(char **arguments, int in, int out, pid_t group, pid_t *pid)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error)
    return error;
  error = posix_spawnattr_init(&attributes);
  if (!error) {
    error = posix_spawn_file_actions_adddup2(&actions, in, 0);
    if (!error)
      error = posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!error && set_attributes(&attributes, group))
      error = ENOMEM;
    if (!error)
      error = posix_spawnp(pid, arguments[0], &actions, &attributes, arguments,
                           environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/* Start stage i between in and a new pipe; *in becomes the pipe's read end.
 * 0 or an errno. */
static int
add_stage(char **arguments, int *in, pid_t group, pid_t *pid)
{
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    return errno;
  int error = spawn_stage(arguments, *in, ends[1], group, pid);
  close(ends[1]);
  if (error) {
    close(ends[0]);
    return error;
  }
  close(*in);
  *in = ends[0];
  return 0;
}

size_t
spawn_pipeline(char **const *stages, size_t n, pid_t *pids, int *head,
               int *tail)
{
  int ends[2];
  size_t started = 0;
  int error = 0;
  clean_environment();
  if (pipe2(ends, O_CLOEXEC) < 0)
    return 0;
  *head = ends[1];
  *tail = ends[0];
  for (; started < n; started++) {
    error =
        add_stage(stages[started], tail, started ? pids[0] : 0, pids + started);
    if (error)
      break;
  }
  if (!error && ndelay_on(*head) == 0 && ndelay_on(*tail) == 0)
    return n;
  if (!error)
    error = errno;
  close(*head);
  close(*tail);
  int status[SPAWN_MAX];
  spawn_reap(pids, started, status);
  errno = error;
  return started == n ? n - 1 : started;
}

void
spawn_reap(pid_t const *pids, size_t n, int *status)
{
  struct timespec step = {0, REAP_STEP_NS};
  int64_t deadline = clock_ms() + REAP_MS;
  for (size_t i = 0; i < n; i++) {
    while (waitpid_nointr(pids[i], status + i, WNOHANG) == 0) {
      if (clock_ms() >= deadline)
        kill(-pids[0], SIGKILL);
      nanosleep(&step, NULL);
      if (step.tv_nsec < 20000000)
        step.tv_nsec *= 2;
    }
  }
}
