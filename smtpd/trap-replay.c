/* trap-replay: plays the transcript of a session to a server. trap-replay(1).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "lib/exitcode.h"
#include "lib/option.h"
#include "lib/process.h"
#include "smtpd/evidencelist.h"
#include "smtpd/playback.h"

#define USAGE                                                                  \
  "trap-replay [-vx] [-t seconds] [-w seconds] host:port | /socket "           \
  "transcript, or trap-replay -l | -b number transcript"
#define LIMIT_MAX_S 3600
#define EXIT_DIFFERENT 1

struct options {
  bool list;
  uint64_t message; /* 0: none */
  char const *path;
  struct playback play;
};

static void
check(struct evidencefile const *file, enum evidencefile_result result,
      char const *path)
{
  char line[UINT64_FMT];
  line[uint64_fmt(line, file->reader.at)] = 0;
  if (result == EVIDENCEFILE_BAD)
    strerr_dief(EXIT_PERMANENT, "not a transcript: ", path, ": line ", line);
  if (result == EVIDENCEFILE_ERROR)
    strerr_diefusys(EXIT_TEMPORARY, "read ", path);
}

/* Die of a file that is no transcript, before anything else is done. */
static void
check_file(int fd, char const *path)
{
  struct evidencefile file = {.fd = fd};
  struct evidence_piece piece;
  enum evidencefile_result result;
  while ((result = evidencefile_next(&file, &piece)) == EVIDENCEFILE_PIECE)
    ;
  check(&file, result, path);
  if (!file.reader.has_begun)
    strerr_dief(EXIT_PERMANENT, "not a transcript: ", path, ": empty");
}

static int
open_file(char const *path)
{
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &status) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "open ", path);
  if (!S_ISREG(status.st_mode))
    strerr_dief(EXIT_PERMANENT, "not a regular file: ", path);
  check_file(fd, path);
  return fd;
}

static void
flush_output(void)
{
  if (fflush(stdout) == EOF || ferror(stdout))
    strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
}

static void
warn_of_cut(char const *path)
{
  strerr_warnw("the transcript ends before the session did: ", path);
}

static int
show(struct options const *options)
{
  struct evidencefile file = {.fd = open_file(options->path)};
  bool found = true;
  bool is_cut = false;
  check(&file,
        options->list
            ? evidencelist_all(&file)
            : evidencelist_message(&file, options->message, &found, &is_cut),
        options->path);
  flush_output();
  if (!found)
    strerr_dief(EXIT_PERMANENT, "no such message in ", options->path);
  if (is_cut)
    warn_of_cut(options->path);
  return EXIT_DONE;
}

static int
replay(struct options *options)
{
  struct playback *play = &options->play;
  play->events.fd = play->bytes.fd = open_file(options->path);
  if (smtpwire_connect(&play->wire, play->target) == -1)
    strerr_dief(EXIT_TEMPORARY, "unable to connect to ", play->target, ": ",
                play->wire.error);
  enum evidencefile_result result = playback_run(play);
  flush_output();
  check(&play->events, result, options->path);
  if (play->was_cut)
    warn_of_cut(options->path);
  return play->differences ? EXIT_DIFFERENT : EXIT_DONE;
}

static bool
is_target(char const *target)
{
  char const *colon = strrchr(target, ':');
  return *target == '/' || (colon && colon != target && colon[1]);
}

static void
read_options(int argc, char const *const *argv, struct options *options)
{
  subgetopt scan = SUBGETOPT_ZERO;
  int option;
  struct playback *play = &options->play;
  while ((option = subgetopt_r(argc, argv, "vxlb:t:w:", &scan)) != -1)
    if (option == 'v')
      play->all = true;
    else if (option == 'x')
      play->exact = true;
    else if (option == 'l')
      options->list = true;
    else if (option == 'b')
      options->message = option_number("-b", scan.arg, 1, UINT64_MAX);
    else if (option == 't')
      play->wire.limit_s = option_number32("-t", scan.arg, 1, LIMIT_MAX_S);
    else if (option == 'w')
      play->pause_s = option_number32("-w", scan.arg, 1, LIMIT_MAX_S);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  int shows = options->list + (options->message != 0);
  argv += scan.ind;
  if (shows > 1 || argc - scan.ind != 2 - shows ||
      (!shows && !is_target(argv[0])))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  play->target = argv[0];
  options->path = argv[1 - shows];
}

int
main(int argc, char const *const *argv)
{
  static struct options options = {.play.wire = {.fd = -1, .limit_s = 60}};
  process_begin("trap-replay");
  read_options(argc, argv, &options);
  if (options.list || options.message)
    return show(&options);
  return replay(&options);
}
