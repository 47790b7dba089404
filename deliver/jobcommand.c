#include "deliver/jobcommand.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/selfpipe.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "lib/clock.h"
#include "lib/exitcode.h"
#include "lib/jobqueue.h"

#define LIFETIME_S 600
#define RESCAN_MS 30000
#define BEAT_MS 60000
#define WAIT_MOST_MS 3600000

extern char **environ;

void
jobcommand_start(struct jobcommand *self, char const *directory, char **command)
{
  struct worker *worker = &self->worker;
  struct jobqueue_failure const *failure = &worker->taker.queue.failure;
  jobqueue_insist(directory);
  if (jobtaker_start(&worker->taker, directory, NULL) == -1)
    strerr_diefusys(EXIT_PERMANENT, "use directory ", directory);
  worker->rules = (struct retry_rules){RETRY_FIRST_S, RETRY_MOST_S,
                                       RETRY_TRIES_MOST, RETRY_AGE_S};
  worker->taker.locker.lifetime_s = LIFETIME_S;
  worker->rescan_ms = RESCAN_MS;
  joblist_start(&worker->list, true);
  worker->list.fans = true;
  if (worker_start(worker) == -1)
    strerr_dief(EXIT_TEMPORARY, "unable to ", failure->action, " ",
                failure->path, ": ", strerror(failure->error));
  jobtaker_init(&worker->taker, &self->slot.job);
  self->signals = selfpipe_init();
  if (self->signals < 0 || !selfpipe_trap(SIGCHLD) || !selfpipe_trap(SIGHUP) ||
      !selfpipe_trap(SIGTERM) || !selfpipe_trap(SIGINT))
    strerr_diefusys(EXIT_TEMPORARY, "trap signals");
  self->command = command - 1;
  for (; command[self->words]; self->words++)
    self->command[self->words] = command[self->words];
}

bool
jobcommand_take(struct jobcommand *self)
{
  struct worker *worker = &self->worker;
  char const *name;
  worker->now_ms = clock_ms();
  worker_undefer(worker);
  while ((name = worker_pick(worker)))
    if (worker_take(worker, &self->slot, name)) {
      snprintf(self->path, sizeof self->path, "%s/%s", worker->taker.queue.path,
               self->slot.job.data_path);
      self->command[self->words] = self->path;
      return true;
    }
  return false;
}

static void
take_signals(struct worker *worker)
{
  for (int number; (number = selfpipe_read()) > 0;)
    worker->stopping |= number != SIGCHLD;
}

static void
wait_for_signal(struct jobcommand *self, int also, int64_t milliseconds)
{
  struct pollfd fds[] = {{self->signals, POLLIN, 0}, {also, POLLIN, 0}};
  if (milliseconds > WAIT_MOST_MS)
    milliseconds = WAIT_MOST_MS;
  poll(fds, 2, milliseconds > 0 ? (int)milliseconds : 0);
  self->worker.now_ms = clock_ms();
  take_signals(&self->worker);
}

void
jobcommand_wait(struct jobcommand *self)
{
  wait_for_signal(self, self->worker.inotify, worker_idle_ms(&self->worker));
  worker_change(&self->worker);
}

/* The child's pid, or -1 with errno. */
static pid_t
start(char **command)
{
  posix_spawnattr_t attributes;
  sigset_t none, ignored;
  pid_t pid;
  sigemptyset(&none);
  sigemptyset(&ignored);
  sigaddset(&ignored, SIGPIPE);
  sigaddset(&ignored, SIGXFSZ);
  errno = posix_spawnattr_init(&attributes);
  if (errno)
    return -1;
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setsigmask(&attributes, &none); /* selfpipe may block some */
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  errno = posix_spawnp(&pid, command[0], NULL, &attributes, command, environ);
  posix_spawnattr_destroy(&attributes);
  return errno ? -1 : pid;
}

/* The status that the child ends with. */
static int
wait_for_child(struct jobcommand *self, pid_t pid)
{
  struct worker *worker = &self->worker;
  int64_t beaten_ms = worker->now_ms;
  int status = 0;
  while (waitpid_nointr(pid, &status, WNOHANG) != pid) {
    wait_for_signal(self, -1, beaten_ms + BEAT_MS - worker->now_ms);
    if (worker->now_ms < beaten_ms + BEAT_MS)
      continue;
    joblock_beat(&self->slot.job.lock, &worker->taker.queue);
    beaten_ms = worker->now_ms;
  }
  take_signals(worker); /* one that came before its end may not be read yet */
  return status;
}

bool
jobcommand_run(struct jobcommand *self)
{
  char number[UINT_FMT];
  self->slot.sent_ms = self->worker.now_ms;
  pid_t pid = start(self->command);
  if (pid == -1) {
    strerr_warnwu("run ", self->command[0], ": ", strerror(errno));
    return false;
  }
  int status = wait_for_child(self, pid);
  bool exited = WIFEXITED(status);
  unsigned int code =
      (unsigned int)(exited ? WEXITSTATUS(status) : WTERMSIG(status));
  number[uint_fmt(number, code)] = 0;
  if (status)
    strerr_warnw("command failed: ", exited ? "exit=" : "signal=", number);
  return !status;
}

void
jobcommand_end(struct jobcommand *self)
{
  joblock_remove(&self->slot.job.lock, &self->worker.taker.queue);
}
