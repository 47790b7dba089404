/* dq-expire: keeps a directory queue within caps of age, jobs and bytes.
 * dq-expire(8), trapline-queue(5). */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>

#include "deliver/expiry.h"
#include "deliver/field.h"
#include "deliver/progress.h"
#include "deliver/stop.h"
#include "deliver/storage.h"
#include "deliver/submitted.h"
#include "lib/exitcode.h"
#include "lib/jobqueue.h"
#include "lib/jobtaker.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "dq-expire [-f] [-n] [-a seconds] [-c jobs] [-b bytes] [-w seconds] "        \
  "directory"
#define STOP_EVERY 256

/* What a round did, for the log. */
struct round {
  uint64_t jobs, bytes;     /* in the queue; bytes with -b alone */
  uint64_t by_age, by_cap;  /* removed */
  uint64_t freed;           /* bytes of those */
  uint64_t active, damaged; /* left alone */
};

#define NO_CAP UINT64_MAX

struct expire {
  struct jobtaker taker;
  struct job job;
  struct expiry expiry;
  struct round round;
  uint64_t most_age_s, most_jobs, most_bytes; /* or NO_CAP */
  uint32_t wait_s;                            /* 0: one round */
  bool fair, dry;
};

static int
fail(struct expire *self, char const *action, char const *name)
{
  return jobqueue_fail(&self->taker.queue, action, "queue", name);
}

/* The names and ages of all jobs. 0 or -1. */
static int
list(struct expire *self, int64_t now_s)
{
  struct joblist names;
  struct progress progress;
  int64_t seconds;
  int directory = self->taker.queue.queue;
  int result = 0;
  joblist_start(&names, false);
  names.fans = true;
  progress_start(&progress, "jobs listed");
  while (result == 0) {
    if (joblist_load(&names, directory) == -1)
      result = fail(self, "read", "");
    for (char const *name; result == 0 && (name = joblist_next(&names));) {
      progress_step(&progress);
      if (submitted_file(directory, name, &seconds) &&
          !expiry_add(&self->expiry, name, now_s - seconds)) {
        errno = ENOMEM;
        result = fail(self, "keep in memory", name);
      }
    }
    if (!names.more || stop_wanted(0))
      break;
  }
  progress_end(&progress);
  joblist_end(&names);
  return result;
}

/* What the control file says of size, client and sender. What cannot be read
 * is a job of no bytes and of nobody. */
static void
read_job(struct expire *self, struct expiry_job *job)
{
  char *text = self->job.text;
  struct jobrecord *record = &self->job.record;
  int fd = openat(self->taker.queue.queue, expiry_name(&self->expiry, job),
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  job->gone = fd == -1 && errno == ENOENT;
  ssize_t n = fd == -1 ? -1 : fd_read(fd, text, JOBRECORD_TEXT_MAX);
  if (fd >= 0)
    close(fd);
  if (n == -1 || jobrecord_parse(record, text, (size_t)n))
    return;
  job->bytes = record->data_bytes > UINT32_MAX ? UINT32_MAX
                                               : (uint32_t)record->data_bytes;
  struct metadata const *ip = jobrecord_find(record, "ip");
  struct metadata const *sender = jobrecord_find(record, "mail_from");
  if (ip)
    job->network = expiry_network(ip->value);
  job->sender = expiry_sender(&self->expiry, sender ? sender->value : "",
                              sender ? sender->value_bytes : 0);
}

/* Read what caps by bytes and shares need, unless it cannot matter. */
static void
read_jobs(struct expire *self)
{
  struct round *round = &self->round;
  struct progress progress;
  round->jobs = self->expiry.count;
  bool share = self->fair && round->jobs > self->most_jobs;
  if (self->most_bytes == NO_CAP && !share)
    return;
  round->jobs = 0;
  progress_start(&progress, "jobs read");
  for (size_t i = 0; i < self->expiry.count; i++) {
    if (i % STOP_EVERY == 0 && stop_wanted(0))
      break;
    read_job(self, self->expiry.job + i);
    round->jobs += !self->expiry.job[i].gone;
    round->bytes += self->expiry.job[i].bytes;
    progress_step(&progress);
  }
  progress_end(&progress);
}

/* Which caps a pass over the jobs keeps. */
enum caps { CAP_AGE = 1, CAP_JOBS = 2, CAP_BYTES = 4 };

static bool
is_over(struct expire const *self, unsigned int caps)
{
  struct round const *round = &self->round;
  return (caps & CAP_JOBS && round->jobs > self->most_jobs) ||
         (caps & CAP_BYTES && round->bytes > self->most_bytes);
}

/* Whether a job has to go, and why; NULL: it stays. */
static char const *
judge(struct expire const *self, struct expiry_job const *job,
      unsigned int caps)
{
  if (job->gone || job->left)
    return NULL;
  if (caps & CAP_AGE && job->age_s > self->most_age_s)
    return "age";
  return is_over(self, caps) ? "cap" : NULL;
}

/* Say that it would go. Whether it could. */
static bool
show(struct expire *self, char const *name, char const *why)
{
  struct stat status;
  if (fstatat(self->taker.queue.active, jobfan_base(name), &status,
              AT_SYMLINK_NOFOLLOW) == 0) {
    self->round.active++;
    return false;
  }
  progress_hide();
  printf("would expire");
  field_string("job", name);
  field_string("why", why);
  putchar('\n');
  return true;
}

static void
forget(struct round *round, struct expiry_job *job)
{
  job->gone = true;
  round->jobs--;
  round->bytes -= job->bytes;
}

/* Take a job and remove it. 1 if it was removed, 0 if it stays, or is gone by
 * itself, or -1. */
static int
remove_job(struct expire *self, struct expiry_job *job, char const *name)
{
  switch (jobtaker_take(&self->taker, &self->job, name)) {
  case JOBTAKER_TAKEN:
    break;
  case JOBTAKER_GONE:
    forget(&self->round, job);
    return 0;
  case JOBTAKER_BUSY:
    self->round.active++;
    return 0;
  case JOBTAKER_DAMAGED:
  case JOBTAKER_KNOWN:
    self->round.damaged++;
    return 0;
  case JOBTAKER_FAILED:
    return -1;
  }
  uint64_t bytes = self->job.data_bytes;
  switch (jobtaker_finish(&self->taker, &self->job)) {
  case JOBTAKER_DONE:
    self->round.freed += bytes;
    return 1;
  case JOBTAKER_LOST:
    return 0;
  case JOBTAKER_END_FAILED:
    break;
  }
  return -1;
}

/* In the order in which they are now. 0 or -1. */
static int
remove_jobs(struct expire *self, unsigned int caps)
{
  struct round *round = &self->round;
  struct progress progress;
  int result = 0;
  progress_start(&progress, "jobs removed");
  for (size_t i = 0; result >= 0 && i < self->expiry.count; i++) {
    struct expiry_job *job = self->expiry.job + i;
    char const *why = judge(self, job, caps);
    if (!why)
      continue;
    if (stop_wanted(0))
      break;
    char const *name = expiry_name(&self->expiry, job);
    result = self->dry ? show(self, name, why) : remove_job(self, job, name);
    job->left = result == 0 && !job->gone;
    if (result != 1)
      continue;
    progress_step(&progress);
    forget(round, job);
    round->by_age += why[0] == 'a';
    round->by_cap += why[0] == 'c';
  }
  progress_end(&progress);
  return result < 0 ? -1 : 0;
}

/* The heaviest first, as far as a cap needs it. 0 or -1. */
static int
remove_heavy(struct expire *self, unsigned int cap, enum expiry_unit unit)
{
  if (!is_over(self, cap))
    return 0;
  if (expiry_rank(&self->expiry, unit))
    return remove_jobs(self, cap);
  errno = ENOMEM;
  return fail(self, "rank the jobs of", "");
}

/* 0 or -1. */
static int
keep_caps(struct expire *self)
{
  expiry_sort(&self->expiry);
  if (!self->fair)
    return remove_jobs(self, CAP_AGE | CAP_JOBS | CAP_BYTES);
  return remove_jobs(self, CAP_AGE) == 0 &&
                 remove_heavy(self, CAP_JOBS, EXPIRY_JOBS) == 0 &&
                 remove_heavy(self, CAP_BYTES, EXPIRY_BYTES) == 0
             ? 0
             : -1;
}

static void
log_round(struct expire const *self)
{
  struct round const *round = &self->round;
  struct log log;
  log_start(&log, self->dry ? "round, nothing removed" : "round");
  log_number(&log, "age", round->by_age);
  log_number(&log, "cap", round->by_cap);
  log_number(&log, "freed", round->freed);
  log_number(&log, "active", round->active);
  log_number(&log, "damaged", round->damaged);
  log_number(&log, "jobs", round->jobs);
  if (self->most_bytes != NO_CAP)
    log_number(&log, "bytes", round->bytes);
  log_write(&log);
}

/* 0; or -1, and it is in the log. */
static int
run_round(struct expire *self)
{
  struct jobqueue *queue = &self->taker.queue;
  self->round = (struct round){0};
  expiry_clear(&self->expiry);
  int ready = self->dry ? jobqueue_look(queue) : jobtaker_ready(&self->taker);
  bool done = ready == 0 &&
              (queue->queue == -1 || list(self, (int64_t)time(NULL)) == 0);
  /* If this fails, the first job will say so. */
  if (done && self->wait_s && !self->dry)
    joblock_prepare(&self->job.lock, &self->taker.locker, queue);
  if (done) {
    read_jobs(self);
    done = keep_caps(self) == 0;
  }
  if (!done) {
    struct log log;
    log_start(&log, "storage failed");
    storage_log(&log, queue->failure.action, queue->failure.path,
                queue->failure.error);
  }
  if (ready == 0)
    log_round(self);
  return done ? 0 : -1;
}

static char const *
read_options(struct expire *self, int argc, char **argv)
{
  int option;
  opterr = 0;
  while ((option = getopt(argc, argv, "fna:c:b:w:")) != -1) {
    if (option == 'f')
      self->fair = true;
    else if (option == 'n')
      self->dry = true;
    else if (option == 'a')
      self->most_age_s = option_number("-a", optarg, 0, UINT64_MAX);
    else if (option == 'c')
      self->most_jobs = option_number("-c", optarg, 0, UINT64_MAX);
    else if (option == 'b')
      self->most_bytes = option_number("-b", optarg, 0, UINT64_MAX);
    else if (option == 'w')
      self->wait_s = option_number32("-w", optarg, 1, INT32_MAX);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (optind + 1 != argc ||
      (self->most_age_s == NO_CAP && self->most_jobs == NO_CAP &&
       self->most_bytes == NO_CAP))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return argv[optind];
}

int
main(int argc, char **argv)
{
  static struct expire self = {
      .most_age_s = NO_CAP, .most_jobs = NO_CAP, .most_bytes = NO_CAP};
  int result;
  process_begin("dq-expire");
  char const *directory = read_options(&self, argc, argv);
  if (getrandom(&self.expiry.seed, sizeof self.expiry.seed, 0) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "get random bytes");
  jobqueue_insist(directory);
  if (jobtaker_start(&self.taker, directory, NULL) == -1)
    strerr_diefusys(EXIT_PERMANENT, "use directory ", directory);
  jobtaker_init(&self.taker, &self.job);
  stop_begin();
  do
    result = run_round(&self);
  while (self.wait_s && !stop_wanted(self.wait_s));
  joblock_remove(&self.job.lock, &self.taker.queue);
  if (fflush(stdout) == EOF || ferror(stdout))
    strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
  if (!self.wait_s && stop_wanted(0))
    strerr_dief(EXIT_TEMPORARY, "stopped by a signal");
  return result == -1 && !self.wait_s ? EXIT_TEMPORARY : EXIT_DONE;
}
