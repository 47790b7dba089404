/* dq-deque: gives one job of a directory queue to a command. dq-deque(1). */
#include <getopt.h>
#include <stdio.h>

#include <skalibs/strerr.h>

#include "deliver/jobcommand.h"
#include "lib/exitcode.h"
#include "lib/process.h"

#define USAGE "dq-deque --dir directory [--] command [argument ...]"

static char const *
read_options(int argc, char **argv)
{
  static struct option const options[] = {{"dir", required_argument, NULL, 'd'},
                                          {NULL, 0, NULL, 0}};
  char const *directory = NULL;
  int option;
  opterr = 0;
  while ((option = getopt_long_only(argc, argv, "", options, NULL)) != -1) {
    if (option != 'd')
      strerr_dieusage(EXIT_PERMANENT, USAGE);
    directory = optarg;
  }
  if (!directory || optind == argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return directory;
}

/* An exit code, after a word on standard output. */
static int
take_one(struct jobcommand *self)
{
  if (!jobcommand_take(self)) {
    if (self->worker.paused_ms)
      return EXIT_TEMPORARY;
    puts("no jobs left");
    return EXIT_DONE;
  }
  if (!jobcommand_run(self)) {
    worker_give_back(&self->worker, &self->slot);
    return EXIT_TEMPORARY;
  }
  if (worker_finish(&self->worker, &self->slot) != JOBTAKER_DONE)
    return EXIT_TEMPORARY;
  puts("finished");
  return EXIT_DONE;
}

int
main(int argc, char **argv)
{
  static struct jobcommand self;
  process_begin("dq-deque");
  char const *directory = read_options(argc, argv);
  jobcommand_start(&self, directory, argv + optind);
  int code = take_one(&self);
  jobcommand_end(&self);
  return code;
}
