#include "lib/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>

#include "lib/clock.h"
#include "lib/exitcode.h"
#include "lib/process.h"

#define KILL_AFTER_MS 2000 /* from SIGTERM to SIGKILL */

/* For the signal handler: the group of the program that runs; 0: none. */
static volatile sig_atomic_t running;

static void
on_child(int number)
{
  (void)number;
}

static void
on_signal(int number)
{
  (void)number;
  if (running)
    kill(-running, SIGTERM);
  _exit(EXIT_TEMPORARY);
}

void
program_prepare(void)
{
  struct sigaction action = {.sa_handler = on_child};
  sigset_t child;
  process_on_end(on_signal);
  sigfillset(&action.sa_mask);
  sigaction(SIGCHLD, &action, NULL);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
}

/* In the child: never returns. */
static void
become(struct program const *program, int pipe, pid_t parent)
{
  static int const signals[] = {SIGTERM, SIGINT,  SIGHUP,
                                SIGPIPE, SIGXFSZ, SIGCHLD};
  sigset_t none;
  setpgid(0, 0);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    signal(signals[i], SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent)
    _exit(EXIT_TEMPORARY);
  /* All of these are over 2: process_begin() sees to it. */
  int out = program->output || program->out < 0 ? pipe : program->out;
  if (dup2(program->in, 0) == -1 || dup2(out, 1) == -1 ||
      (!program->output && dup2(pipe, 2) == -1))
    _exit(EXIT_TEMPORARY);
  execvp(program->arguments[0], program->arguments);
  strerr_diefusys(EXIT_TEMPORARY, "run ", program->arguments[0]);
}

static pid_t
start(struct program const *program, int pipe)
{
  sigset_t all, before;
  pid_t parent = getpid();
  /* A signal must find the child known, or the child not there. */
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0)
    become(program, pipe, parent);
  int reason = errno;
  if (pid > 0) {
    setpgid(pid, pid); /* here too: who comes first is not known */
    running = pid;
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  errno = reason;
  return pid;
}

/* 0 or -1. */
static int
keep(struct program *program, char const *bytes, size_t n)
{
  size_t room = sizeof program->said - program->said_bytes;
  if (program->output) {
    program->action = "keep its output";
    return spool_add(program->output, bytes, n);
  }
  n = n < room ? n : room;
  memcpy(program->said + program->said_bytes, bytes, n);
  program->said_bytes += n;
  return 0;
}

/* Take what is there: 1 if more may come, 0 if not, -1 on error. */
static int
take(struct program *program, int fd)
{
  char bytes[16384];
  for (;;) {
    ssize_t n = fd_read(fd, bytes, sizeof bytes);
    if (n <= 0)
      return n < 0 && errno == EAGAIN;
    if (keep(program, bytes, (size_t)n) == -1)
      return -1;
  }
}

/* Whether it has exited. It is left as a zombie: so its group's number stays
 * its own until the group needs no more signals. */
static bool
has_exited(pid_t pid)
{
  siginfo_t info = {.si_pid = 0};
  return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == -1 ||
         info.si_pid == pid;
}

/* To the end of the run. 0 or -1. */
static int
watch(struct program *program, pid_t pid, int fd)
{
  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  int64_t end_ms = clock_ms() + (int64_t)program->limit_s * 1000;
  bool was_killed = false;
  bool has_looked = false; /* since it is late: we may have been stopped */
  sigset_t none;
  sigemptyset(&none);
  while (!has_exited(pid) ||
         (program->output && wanted.fd >= 0 && !was_killed)) {
    int64_t left_ms = end_ms - clock_ms();
    if (left_ms <= 0 && has_looked) {
      was_killed = program->timed_out;
      kill(-pid, was_killed ? SIGKILL : SIGTERM);
      program->timed_out = true;
      end_ms += KILL_AFTER_MS;
      has_looked = false;
      continue;
    }
    has_looked = left_ms <= 0;
    if (has_looked)
      left_ms = 0;
    struct timespec timeout = {left_ms / 1000, left_ms % 1000 * 1000000};
    if (ppoll(&wanted, 1, &timeout, &none) <= 0)
      continue;
    int more = take(program, fd);
    if (more == -1)
      return -1;
    if (!more)
      wanted.fd = -1;
  }
  return take(program, fd) == -1 ? -1 : 0;
}

static int
finish(struct program *program, pid_t pid, int result)
{
  int reason = errno;
  if (program->output || program->timed_out || result == -1)
    kill(-pid, SIGKILL);
  running = 0;
  if (waitpid_nointr(pid, &program->status, 0) == -1) {
    program->action = "wait for the program";
    return -1;
  }
  errno = reason;
  return result;
}

int
program_run(struct program *program)
{
  int ends[2];
  program->timed_out = false;
  program->said_bytes = 0;
  program->action = "start a process";
  if (pipe2(ends, O_CLOEXEC) == -1)
    return -1;
  pid_t pid = ndelay_on(ends[0]) == -1 ? -1 : start(program, ends[1]);
  int result = -1;
  fd_close(ends[1]);
  if (pid > 0)
    result = finish(program, pid, watch(program, pid, ends[0]));
  fd_close(ends[0]);
  return result;
}
