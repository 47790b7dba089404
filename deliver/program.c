#include "deliver/program.h"

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

#include "lib/clock.h"
#include "lib/exitcode.h"

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
  static int const signals[] = {SIGTERM, SIGINT, SIGHUP};
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigset_t child;
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    sigaction(signals[i], &action, NULL);
  action.sa_handler = on_child;
  action.sa_flags = 0;
  sigaction(SIGCHLD, &action, NULL);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
}

/* In the child: never returns. */
static void
become(struct program const *program, int output, pid_t parent)
{
  static char const cannot[] = "unable to execute: ";
  sigset_t none;
  setpgid(0, 0);
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  signal(SIGCHLD, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent)
    _exit(EXIT_TEMPORARY);
  /* All of these are over 2: process_begin() sees to it. */
  if (dup2(program->in, 0) == -1 ||
      dup2(program->out < 0 ? output : program->out, 1) == -1 ||
      dup2(output, 2) == -1)
    _exit(EXIT_TEMPORARY);
  execvpe(program->arguments[0], program->arguments, program->environment);
  char const *reason = strerror(errno);
  if (write(2, cannot, sizeof cannot - 1) == -1 ||
      write(2, reason, strlen(reason)) == -1)
    _exit(EXIT_TEMPORARY);
  _exit(EXIT_TEMPORARY);
}

static pid_t
start(struct program const *program, int output)
{
  sigset_t all, before;
  pid_t parent = getpid();
  /* A signal must find the child known, or the child not there. */
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0)
    become(program, output, parent);
  int reason = errno;
  if (pid > 0) {
    setpgid(pid, pid); /* here too: who comes first is not known */
    running = pid;
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  errno = reason;
  return pid;
}

/* Take what is there of the output. Whether more may come. */
static bool
take_output(struct program *program, int fd)
{
  char rest[4096];
  for (;;) {
    size_t room = sizeof program->output - program->output_bytes;
    ssize_t n = room
                    ? fd_read(fd, program->output + program->output_bytes, room)
                    : fd_read(fd, rest, sizeof rest);
    if (n <= 0)
      return n < 0 && errno == EAGAIN;
    if (room)
      program->output_bytes += (size_t)n;
  }
}

/* Until the program has ended; what its children still hold of the pipe is not
 * waited for. */
static void
watch(struct program *program, pid_t pid, int output)
{
  struct pollfd wanted = {.fd = output, .events = POLLIN};
  int64_t end_ms = clock_ms() + (int64_t)program->limit_s * 1000;
  sigset_t none;
  sigemptyset(&none);
  while (waitpid_nointr(pid, &program->status, WNOHANG) == 0) {
    int64_t left_ms = end_ms - clock_ms();
    if (left_ms <= 0) {
      kill(-pid, program->timed_out ? SIGKILL : SIGTERM);
      program->timed_out = true;
      end_ms += KILL_AFTER_MS;
      continue;
    }
    struct timespec timeout = {left_ms / 1000, left_ms % 1000 * 1000000};
    if (ppoll(&wanted, 1, &timeout, &none) > 0 && !take_output(program, output))
      wanted.fd = -1;
  }
  if (program->timed_out)
    kill(-pid, SIGKILL);
  running = 0;
  take_output(program, output);
}

int
program_run(struct program *program)
{
  int ends[2];
  program->timed_out = false;
  program->output_bytes = 0;
  if (pipe2(ends, O_CLOEXEC) == -1)
    return -1;
  pid_t pid = ndelay_on(ends[0]) == -1 ? -1 : start(program, ends[1]);
  fd_close(ends[1]);
  if (pid > 0)
    watch(program, pid, ends[0]);
  fd_close(ends[0]);
  return pid > 0 ? 0 : -1;
}
