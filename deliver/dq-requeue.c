/* dq-requeue: puts failed jobs back into a directory queue. dq-requeue(1),
 * trapline-queue(5). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "deliver/aside.h"
#include "deliver/field.h"
#include "deliver/progress.h"
#include "deliver/stop.h"
#include "lib/exitcode.h"
#include "lib/joblist.h"
#include "lib/jobqueue.h"
#include "lib/process.h"

#define USAGE "dq-requeue [-n] [-f name] [-t other] directory [job ...]"

struct requeue {
  struct aside aside;
  struct progress progress;
  char const *directory;
  char const *target; /* another queue, or NULL */
  bool dry;
  bool failed; /* some job was left */
};

static _Noreturn void
fail(struct jobqueue const *queue)
{
  errno = queue->failure.error;
  strerr_diefusys(EXIT_TEMPORARY, queue->failure.action, " ",
                  queue->failure.path);
}

static _Noreturn void
stopped(void)
{
  progress_hide();
  strerr_dief(EXIT_TEMPORARY, "stopped by a signal");
}

/* Say what became of a job. */
static void
report(struct requeue *self, char const *name, enum aside_result result)
{
  progress_step(&self->progress);
  if (result == ASIDE_GONE)
    return;
  if (result != ASIDE_DONE) {
    self->failed = true;
    printf("left");
    field_string("job", name);
    field_string("reason", self->aside.reason);
  } else {
    printf("%s", self->dry ? "would requeue" : "requeued");
    field_string("job", name);
    if (self->target)
      field_string("to", self->target);
    if (self->target && !self->dry)
      field_string("as", self->aside.writer.base);
  }
  putchar('\n');
}

static enum aside_result
requeue(struct requeue *self, char const *name)
{
  enum aside_result result = aside_read(&self->aside, name);
  if (result != ASIDE_DONE || self->dry)
    return result;
  return self->target ? aside_copy(&self->aside) : aside_return(&self->aside);
}

static void
requeue_all(struct requeue *self)
{
  struct joblist list;
  joblist_start(&list, true);
  do {
    if (joblist_load(&list, self->aside.directory) == -1) {
      jobqueue_fail(&self->aside.taker.queue, "read", self->aside.name, "");
      fail(&self->aside.taker.queue);
    }
    for (char const *name; (name = joblist_next(&list));) {
      if (stop_wanted(0))
        stopped();
      report(self, name, requeue(self, name));
    }
  } while (list.more);
  joblist_end(&list);
}

/* Whether these n bytes are a path of the directory, however it is spelt. */
static bool
is_directory(struct requeue const *self, char const *bytes, size_t n)
{
  char path[JOBQUEUE_FILE_MAX + 1];
  struct stat named, opened;
  if (n >= sizeof path)
    return false;
  memcpy(path, bytes, n);
  path[n] = 0;
  return stat(path, &named) == 0 &&
         fstat(self->aside.directory, &opened) == 0 &&
         named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/* The name of a job that was given so or by its path; NULL if it is none. */
static char const *
job_name(struct requeue const *self, char const *argument)
{
  char const *slash = strrchr(argument, '/');
  char const *name = slash ? slash + 1 : argument;
  if (slash && !is_directory(self, argument, (size_t)(slash - argument)))
    return NULL;
  return name[0] < '0' || name[0] > '9' || strlen(name) > JOBLIST_NAME_MAX
             ? NULL
             : name;
}

static void
requeue_named(struct requeue *self, char **jobs)
{
  for (; *jobs; jobs++) {
    char const *name = job_name(self, *jobs);
    enum aside_result result = ASIDE_LEFT;
    if (stop_wanted(0))
      stopped();
    self->aside.reason = "no name of a job";
    if (name)
      result = requeue(self, name);
    if (result == ASIDE_GONE) {
      self->aside.reason = "no such job";
      result = ASIDE_LEFT;
    }
    report(self, name ? name : *jobs, result);
  }
}

static int
read_options(struct requeue *self, int argc, char **argv)
{
  int option;
  opterr = 0;
  while ((option = getopt(argc, argv, "nf:t:")) != -1) {
    if (option == 'n')
      self->dry = true;
    else if (option == 'f')
      self->aside.name = optarg;
    else if (option == 't')
      self->target = optarg;
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (optind == argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (!aside_is_name(self->aside.name))
    strerr_dief(EXIT_PERMANENT,
                "no directory of jobs put aside: ", self->aside.name);
  self->directory = argv[optind];
  return optind + 1;
}

int
main(int argc, char **argv)
{
  static struct requeue self = {.aside.name = "failed"};
  struct aside *aside = &self.aside;
  process_begin("dq-requeue");
  int first = read_options(&self, argc, argv);
  jobqueue_insist(self.directory);
  if (self.target)
    jobqueue_insist(self.target);
  if (aside_start(aside, self.directory, self.target) == -1)
    strerr_diefusys(EXIT_PERMANENT, "use directory ",
                    self.target ? self.target : self.directory);
  if (self.target && !self.dry && jobqueue_ready(&aside->writer.queue) == -1)
    fail(&aside->writer.queue);
  int open = aside_open(aside, self.dry);
  if (open == -1)
    fail(&aside->taker.queue);
  stop_begin();
  progress_start(&self.progress, "jobs");
  self.progress.wanted &= !isatty(1); /* there each is shown */
  if (first < argc)
    requeue_named(&self, argv + first);
  else if (open)
    requeue_all(&self);
  progress_end(&self.progress);
  if (fflush(stdout) == EOF || ferror(stdout))
    strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
  return self.failed ? EXIT_TEMPORARY : EXIT_DONE;
}
