#include "filters/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>

#include "lib/clock.h"
#include "lib/exitcode.h"

#define STEP_NS 50000 /* the first pause; each is twice the last */
#define STEP_MAX_NS 20000000

struct run {
  struct program *program;
  int64_t deadline_ms;
  pid_t pid;
  int in;  /* to the program; -1: closed */
  int out; /* from it; likewise */
  uint64_t sent;
};

static void
close_end(int *fd)
{
  if (*fd >= 0)
    fd_close(*fd);
  *fd = -1;
}

/* Note what is wrong. Returns false. */
static bool
fail(struct run *run, char const *what, char const *why)
{
  snprintf(run->program->problem, PROGRAM_PROBLEM, "%s: %s", what, why);
  return false;
}

static bool
fail_late(struct run *run)
{
  snprintf(run->program->problem, PROGRAM_PROBLEM, "timed out after %u s",
           run->program->seconds);
  return false;
}

/* Between fork and exec. */
static void
become(char *const *arguments, int in, int out, pid_t parent)
{
  sigset_t none;
  sigemptyset(&none);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent)
    _exit(EXIT_TEMPORARY);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
    _exit(EXIT_TEMPORARY);
  execvp(arguments[0], arguments);
  strerr_diefusys(EXIT_TEMPORARY, "run ", arguments[0]);
}

static bool
start(struct run *run)
{
  int in[2];
  int out[2];
  pid_t parent = getpid();
  if (pipe2(in, O_CLOEXEC) < 0)
    return fail(run, "unable to start", strerror(errno));
  if (pipe2(out, O_CLOEXEC) < 0) {
    fd_close(in[0]);
    fd_close(in[1]);
    return fail(run, "unable to start", strerror(errno));
  }
  run->in = in[1];
  run->out = out[0];
  run->pid = fork();
  if (run->pid == 0)
    become(run->program->arguments, in[0], out[1], parent);
  int error = errno;
  fd_close(in[0]);
  fd_close(out[1]);
  if (run->pid < 0)
    return fail(run, "unable to start", strerror(error));
  /* Here too: which of the two is first cannot be known. */
  setpgid(run->pid, run->pid);
  if (ndelay_on(run->in) < 0 || ndelay_on(run->out) < 0)
    return fail(run, "unable to start", strerror(errno));
  return true;
}

/* Write what the pipe takes. */
static bool
feed(struct run *run)
{
  char const *bytes;
  size_t n;
  int got = spool_get(run->program->in, run->sent, &bytes, &n);
  if (got < 0)
    return fail(run, "unable to read the message", strerror(errno));
  ssize_t sent = got ? write(run->in, bytes, n) : 0;
  if (sent > 0)
    run->sent += (uint64_t)sent;
  else if (!got || errno == EPIPE) /* at the end, or it does not want it */
    close_end(&run->in);
  else if (errno != EAGAIN && errno != EINTR)
    return fail(run, "unable to write to the program", strerror(errno));
  return true;
}

static bool
drain(struct run *run)
{
  char bytes[16384];
  ssize_t n = read(run->out, bytes, sizeof bytes);
  if (!n)
    close_end(&run->out);
  if (n < 0 && errno != EAGAIN && errno != EINTR)
    return fail(run, "unable to read from the program", strerror(errno));
  if (n > 0 && !spool_add(run->program->out, bytes, (size_t)n))
    return fail(run, "unable to keep its output", strerror(errno));
  return true;
}

/* Both ways at once, until both ends are closed. */
static bool
pump(struct run *run)
{
  while (run->in >= 0 || run->out >= 0) {
    struct pollfd ends[] = {{.fd = run->in, .events = POLLOUT},
                            {.fd = run->out, .events = POLLIN}};
    int64_t left = run->deadline_ms - clock_ms();
    if (left <= 0)
      return fail_late(run);
    int n = poll(ends, 2, (int)left);
    if (n < 0 && errno != EINTR)
      return fail(run, "unable to poll", strerror(errno));
    if (n <= 0)
      continue;
    if (ends[0].revents && !feed(run))
      return false;
    if (ends[1].revents && !drain(run))
      return false;
  }
  return true;
}

/* Wait for its exit, and leave it as a zombie: so its group's number stays its
 * own until the group is killed. */
static bool
await(struct run *run)
{
  struct timespec step = {0, STEP_NS};
  for (;;) {
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
      return fail(run, "unable to wait for the program", strerror(errno));
    if (info.si_pid == run->pid)
      return true;
    if (clock_ms() >= run->deadline_ms)
      return fail_late(run);
    nanosleep(&step, NULL);
    if (step.tv_nsec < STEP_MAX_NS)
      step.tv_nsec *= 2;
  }
}

int
program_run(struct program *program)
{
  struct run run = {
      .program = program,
      .deadline_ms = clock_ms() + (int64_t)program->seconds * 1000,
      .pid = -1,
      .in = -1,
      .out = -1,
  };
  int status = 0;
  bool is_done = start(&run) && pump(&run) && await(&run);
  close_end(&run.in);
  close_end(&run.out);
  if (run.pid > 0) {
    kill(-run.pid, SIGKILL);
    if (waitpid_nointr(run.pid, &status, 0) < 0)
      is_done = fail(&run, "unable to wait for the program", strerror(errno));
  }
  if (!is_done)
    return -1;
  if (WIFEXITED(status))
    return WEXITSTATUS(status);
  snprintf(program->problem, PROGRAM_PROBLEM, "killed by signal %d",
           WTERMSIG(status));
  return -1;
}
