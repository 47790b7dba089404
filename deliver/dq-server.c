/* dq-server: gives the jobs of a directory queue to a command, one by one.
 * dq-server(1). */
#include <getopt.h>
#include <stdio.h>

#include <skalibs/strerr.h>

#include "deliver/jobcommand.h"
#include "lib/exitcode.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "dq-server --dir directory [--njobs number] [--] command [argument ...]"

struct options {
  char const *directory;
  uint64_t jobs; /* 0: all that come */
};

static void
read_options(struct options *self, int argc, char **argv)
{
  static struct option const options[] = {
      {"dir", required_argument, NULL, 'd'},
      {"njobs", required_argument, NULL, 'n'},
      {NULL, 0, NULL, 0}};
  int option;
  opterr = 0;
  while ((option = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
    if (option == 'd')
      self->directory = optarg;
    else if (option == 'n')
      self->jobs = option_number("--njobs", optarg, 0, UINT64_MAX);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (!self->directory || optind == argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
}

static void
serve_one(struct jobcommand *self)
{
  printf("running");
  for (char **word = self->command; *word; word++)
    printf(" %s", *word);
  printf("\n");
  fflush(stdout);
  if (jobcommand_run(self)) {
    if (worker_finish(&self->worker, &self->slot) == JOBTAKER_DONE)
      printf("finished\n");
  } else if (self->worker.stopping)
    worker_give_back(&self->worker, &self->slot);
  else
    worker_defer(&self->worker, &self->slot, "451 4.3.0 command failed");
  fflush(stdout);
}

int
main(int argc, char **argv)
{
  static struct jobcommand self;
  struct options options = {0};
  process_begin("dq-server");
  read_options(&options, argc, argv);
  jobcommand_start(&self, options.directory, argv + optind);
  for (uint64_t jobs = 0; !self.worker.stopping;) {
    if (!jobcommand_take(&self)) {
      jobcommand_wait(&self);
      continue;
    }
    serve_one(&self);
    if (++jobs == options.jobs)
      break;
  }
  jobcommand_end(&self);
  return EXIT_DONE;
}
