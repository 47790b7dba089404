/* dq-fsck: finds what is wrong in a directory queue, and repairs it.
 * dq-fsck(8), trapline-queue(5). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "deliver/field.h"
#include "deliver/fsck.h"
#include "deliver/stop.h"
#include "lib/exitcode.h"
#include "lib/jobqueue.h"
#include "lib/process.h"

#define USAGE "dq-fsck [-y] directory"
#define EXIT_FINDINGS 1

static char const *
read_options(struct fsck *fsck, int argc, char **argv)
{
  int option;
  opterr = 0;
  while ((option = getopt(argc, argv, "y")) != -1) {
    if (option != 'y')
      strerr_dieusage(EXIT_PERMANENT, USAGE);
    fsck->repair = true;
  }
  if (optind + 1 != argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return argv[optind];
}

static void
set_up(struct fsck *fsck, char const *directory)
{
  struct jobqueue *queue = &fsck->taker.queue;
  if (fsck->repair)
    jobqueue_insist(directory);
  else
    jobqueue_doubt(directory);
  if (jobtaker_start(&fsck->taker, directory, NULL) == -1)
    strerr_diefusys(EXIT_PERMANENT, "use directory ", directory);
  if ((fsck->repair ? jobtaker_ready(&fsck->taker) : jobqueue_look(queue)) ==
      -1) {
    errno = queue->failure.error;
    strerr_diefusys(EXIT_TEMPORARY, queue->failure.action, " ",
                    queue->failure.path);
  }
  jobtaker_init(&fsck->taker, &fsck->job);
  fsck->taker.data.looks_only = !fsck->repair;
  fsck->now_s = (int64_t)time(NULL);
}

static void
print_summary(struct fsck const *fsck)
{
  printf("findings=%llu", (unsigned long long)fsck->found);
  field_number("fixed", fsck->repaired);
  field_number("left", fsck->found - fsck->repaired);
  putchar('\n');
}

int
main(int argc, char **argv)
{
  static struct fsck fsck;
  process_begin("dq-fsck");
  set_up(&fsck, read_options(&fsck, argc, argv));
  stop_begin();
  fsck_tmp(&fsck);
  fsck_locks(&fsck);
  fsck_jobs(&fsck);
  fsck_odd(&fsck);
  fsck_data(&fsck);
  joblock_remove(&fsck.job.lock, &fsck.taker.queue);
  print_summary(&fsck);
  if (fflush(stdout) == EOF || ferror(stdout))
    strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
  if (stop_wanted(0))
    strerr_dief(EXIT_TEMPORARY, "stopped by a signal");
  return fsck.trouble                  ? EXIT_TEMPORARY
         : fsck.found == fsck.repaired ? EXIT_DONE
                                       : EXIT_FINDINGS;
}
