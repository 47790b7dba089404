/* rcptcheck-compile: turn a rule file into the form that rcptcheck starts
 * fastest with. Specified in rcptcheck-compile(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/cdbfile.h"
#include "filters/ruleimage.h"
#include "filters/ruleset.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/process.h"

#define USAGE "rcptcheck-compile [file [file.cdb]]"
#define TRIES 10

/* Time stamps tick slowly: two changes within one tick look like one. A stamp
 * without a fraction is taken for one that ticks in seconds, or in two. */
#define SECOND_NS INT64_C(1000000000)
#define TICK_NS (SECOND_NS / 50)
#define TICK_WHOLE_SECONDS_NS (2 * SECOND_NS)
#define CLOCK_SKEW_S 5 /* a file server's clock may be this far off */

static void
report(void *data, uint32_t line, char const *event, char const *problem)
{
  char place[RULESET_PATH_MAX + 16];
  struct log log;
  snprintf(place, sizeof place, line ? "%s:%lu" : "%s", (char const *)data,
           (unsigned long)line);
  log_start(&log, event);
  log_string(&log, line ? "rule" : "file", place);
  log_string(&log, "problem", problem);
  log_write(&log);
}

/* How long a change of the file could still leave its time stamp as it is. */
static int64_t
tick_left(struct stat const *status)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t tick = status->st_mtim.tv_nsec ? TICK_NS : TICK_WHOLE_SECONDS_NS;
  int64_t seconds = now.tv_sec - status->st_mtim.tv_sec;
  if (seconds > CLOCK_SKEW_S || seconds < -CLOCK_SKEW_S)
    return 0;
  int64_t age = seconds * SECOND_NS + now.tv_nsec - status->st_mtim.tv_nsec;
  return age < tick ? tick - age : 0;
}

static bool
same_stamp(struct stat const *left, struct stat const *right)
{
  return left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
         left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

/* Read the text when a change from now on is sure to change its time stamp:
 * the compiled form is used as long as that is the same. */
static char *
read_settled(char const *file, struct stat *status)
{
  for (int i = 0; i < TRIES; i++) {
    struct stat before;
    if (stat(file, &before) < 0)
      strerr_diefusys(EXIT_TEMPORARY, "read ", file);
    int64_t left = tick_left(&before);
    if (left) {
      struct timespec pause = {.tv_sec = left / SECOND_NS,
                               .tv_nsec = left % SECOND_NS};
      nanosleep(&pause, NULL);
      continue;
    }
    char *text = ruleset_text(file, status);
    if (!text && errno != EAGAIN)
      strerr_diefusys(EXIT_TEMPORARY, "read ", file);
    if (text && same_stamp(&before, status))
      return text;
    free(text);
  }
  strerr_dief(EXIT_TEMPORARY, file, " does not stop changing");
}

/* The two paths, from at most two arguments. */
static void
take_paths(char const *const *argv, char *file, char *path)
{
  int const room = RULESET_PATH_MAX + 1;
  int n = 0;
  if (!argv[0] && control_path("rcptcheck", file, (size_t)room) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "make the path of ", "rcptcheck");
  if (argv[0])
    n = snprintf(file, (size_t)room, "%s", argv[0]);
  if (n < room && argv[0] && argv[1])
    n = snprintf(path, (size_t)room, "%s", argv[1]);
  else if (n < room)
    n = snprintf(path, (size_t)room, "%s" RULESET_CDB_SUFFIX, file);
  if (n >= room)
    strerr_dief(EXIT_PERMANENT, "path too long");
}

int
main(int argc, char const *const *argv)
{
  char file[RULESET_PATH_MAX + 1];
  char path[RULESET_PATH_MAX + 1];
  struct rulecdb_maker maker;
  struct cdbfile_failure failure;
  struct stat status;
  struct ruleimage_reporter const reporter = {
      .report = report, .data = file, .bad_most = UINT64_MAX};
  subgetopt options = SUBGETOPT_ZERO;

  process_begin("rcptcheck-compile");
  if (subgetopt_r(argc, argv, "", &options) >= 0 || argc - options.ind > 2)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  take_paths(argv + options.ind, file, path);
  char *text = read_settled(file, &status);
  if (!ruleimage_make(text, (size_t)status.st_size, &status, &reporter, &maker))
    strerr_diefusys(EXIT_TEMPORARY, "compile ", file);
  free(text);
  if (cdbfile_write(path, &maker, &status, &failure) == -1)
    strerr_diefusys(EXIT_TEMPORARY, failure.action, failure.path);
  rulecdb_free(&maker);
  return EXIT_DONE;
}
