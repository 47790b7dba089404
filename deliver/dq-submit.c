/* dq-submit: puts files, or what comes in, into a directory queue.
 * dq-submit(1), trapline-queue(5). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "deliver/ending.h"
#include "deliver/storage.h"
#include "lib/exitcode.h"
#include "lib/jobwriter.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "dq-submit --dir directory [--priority number] [--meta key=value ...] "      \
  "[--expect-bytes number] [file ...]"
#define METADATA_MAX 64
#define NOT_GIVEN UINT64_MAX

struct submission {
  struct jobwriter writer;
  struct metadata metadata[METADATA_MAX];
  size_t metadata_count;
  uint64_t expected_bytes; /* NOT_GIVEN: any number */
};

/* For the signal handler; everything else gets it as an argument. */
static struct submission submission;

static void
discard(void)
{
  jobwriter_abandon(&submission.writer);
}

/* Say why a file was not put into the queue. Returns 0. */
static int
storage_failed(struct submission *self, char const *name)
{
  struct jobqueue_failure const *failure = &self->writer.queue.failure;
  strerr_warnw(name, ": unable to ", failure->action, " ", failure->path, ": ",
               strerror(failure->error), " (", storage_advice(failure->error),
               ")");
  return 0;
}

static int
read_failed(struct submission *self, char const *name)
{
  int reason = errno;
  jobwriter_abandon(&self->writer);
  strerr_warnw("unable to read ", name, ": ", strerror(reason));
  return 0;
}

/* All of fd into the job in hand. 1, or 0 after a message. */
static int
copy(struct submission *self, int fd, char const *name)
{
  static char bytes[65536];
  for (;;) {
    ssize_t r = fd_read(fd, bytes, sizeof bytes);
    if (r < 0)
      return read_failed(self, name);
    if (!r)
      return 1;
    if (jobwriter_write(&self->writer, bytes, (size_t)r) == -1)
      return storage_failed(self, name);
  }
}

/* Whether all came that was to come. */
static int
is_whole(struct submission *self, char const *name)
{
  char got[UINT64_FMT], wanted[UINT64_FMT];
  if (self->expected_bytes == NOT_GIVEN ||
      self->expected_bytes == self->writer.data_bytes)
    return 1;
  got[uint64_fmt(got, self->writer.data_bytes)] = 0;
  wanted[uint64_fmt(wanted, self->expected_bytes)] = 0;
  jobwriter_abandon(&self->writer);
  strerr_warnw(name, ": has ", got, " bytes, and not ", wanted);
  return 0;
}

/* One job. 1 when it is in the queue, for good; 0 after a message. */
static int
submit(struct submission *self, int fd, char const *name)
{
  int exists;
  if (jobwriter_begin(&self->writer) == -1)
    return storage_failed(self, name);
  if (!copy(self, fd, name) || !is_whole(self, name))
    return 0;
  ending_hold();
  int result = jobwriter_commit(&self->writer, self->metadata,
                                self->metadata_count, &exists);
  return result == -1 ? storage_failed(self, name) : 1;
}

static int
submit_file(struct submission *self, char const *name)
{
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return read_failed(self, name);
  int done = submit(self, fd, name);
  close(fd);
  return done;
}

static void
add_metadata(struct submission *self, char *text)
{
  struct metadata *line = self->metadata + self->metadata_count;
  char *equals = strchr(text, '=');
  if (!equals)
    strerr_dief(EXIT_PERMANENT, "not key=value: ", text);
  *equals = 0;
  line->key = text;
  line->value = equals + 1;
  line->value_bytes = strlen(equals + 1);
  if (!jobcontrol_is_key(text) ||
      !jobcontrol_is_value(line->value, line->value_bytes))
    strerr_dief(EXIT_PERMANENT, "no key or value for a job: ", text);
  for (size_t i = 0; i < self->metadata_count; i++)
    if (!strcmp(self->metadata[i].key, text))
      strerr_dief(EXIT_PERMANENT, "a key comes twice: ", text);
  if (++self->metadata_count == METADATA_MAX)
    strerr_dief(EXIT_PERMANENT, "too many keys");
}

/* Returns the index of the first file. */
static int
read_options(int argc, char **argv, struct submission *self)
{
  static struct option const options[] = {
      {"dir", required_argument, NULL, 'd'},
      {"priority", required_argument, NULL, 'p'},
      {"meta", required_argument, NULL, 'm'},
      {"expect-bytes", required_argument, NULL, 'e'},
      {NULL, 0, NULL, 0}};
  char const *directory = NULL;
  unsigned int priority = 50;
  int option;
  opterr = 0;
  while ((option = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
    if (option == 'd')
      directory = optarg;
    else if (option == 'p')
      priority = option_number32("--priority", optarg, 0, JOBNAME_PRIORITY_MAX);
    else if (option == 'm')
      add_metadata(self, optarg);
    else if (option == 'e')
      self->expected_bytes =
          option_number("--expect-bytes", optarg, 0, NOT_GIVEN - 1);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (!directory)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (jobwriter_start(&self->writer, directory, priority, NULL) == -1)
    strerr_diefusys(EXIT_PERMANENT, "use directory ", directory);
  return optind;
}

int
main(int argc, char **argv)
{
  int failed = 0;
  process_begin("dq-submit");
  submission.expected_bytes = NOT_GIVEN;
  int first = read_options(argc, argv, &submission);
  ending_catch(discard);
  if (first == argc)
    failed = !submit(&submission, 0, "standard input");
  for (int i = first; i < argc; i++) {
    bool done = submit_file(&submission, argv[i]);
    failed |= !done;
    ending_answer();
    if (done)
      printf("enqueued: %s\n", argv[i]);
    if (fflush(stdout) == EOF)
      strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
    ending_release();
  }
  return failed ? EXIT_TEMPORARY : EXIT_DONE;
}
