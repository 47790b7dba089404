/* dq-stat: counts what is in directory queues. dq-stat(1), trapline-queue(5).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "deliver/field.h"
#include "deliver/progress.h"
#include "deliver/queuecap.h"
#include "deliver/statform.h"
#include "deliver/submitted.h"
#include "lib/clock.h"
#include "lib/exitcode.h"
#include "lib/joblist.h"
#include "lib/jobqueue.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE "dq-stat [-t | -p] [-w seconds] directory ..."
#define WINDOW_MAX_S 86400
#define PART (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct options {
  enum statform form;
  uint32_t window_s; /* 0: no rates */
};

/* Count the jobs in a directory of the queue; one that is not there has none.
 * oldest: the least time of them, if not NULL. 0, or -1 with errno. */
static int
count_jobs(int root, char const *name, uint64_t *count, int64_t *oldest)
{
  struct joblist list;
  struct progress progress;
  int64_t seconds;
  int result;
  int fd = openat(root, name, PART);
  if (fd == -1)
    return errno == ENOENT ? 0 : -1;
  joblist_start(&list, false);
  list.fans = !strcmp(name, "queue");
  progress_start(&progress, name);
  do {
    result = joblist_load(&list, fd);
    for (char const *job; (job = joblist_next(&list)); ++*count) {
      progress_step(&progress);
      if (oldest && submitted_file(fd, job, &seconds) && seconds < *oldest)
        *oldest = seconds;
    }
  } while (list.more);
  int error = errno;
  progress_end(&progress);
  joblist_end(&list);
  close(fd);
  errno = error;
  return result;
}

/* Count the locks of jobs that are in the queue. 0, or -1 with errno. */
static int
count_active(int root, uint64_t *count)
{
  struct joblist list;
  char path[JOBLIST_NAME_MAX + 3];
  int result;
  int queue = openat(root, "queue", PART);
  int active = queue == -1 ? -1 : openat(root, "active", PART);
  joblist_start(&list, false);
  if (active == -1)
    result = errno == ENOENT ? 0 : -1;
  else
    do {
      result = joblist_load(&list, active);
      for (char const *job; (job = joblist_next(&list));)
        *count += (uint64_t)jobfan_find(queue, job, path);
    } while (list.more);
  int error = errno;
  joblist_end(&list);
  if (active >= 0)
    close(active);
  if (queue >= 0)
    close(queue);
  errno = error;
  return result;
}

static int
count_bytes(int root, uint64_t *count)
{
  int data = openat(root, "data", PART);
  if (data == -1)
    return errno == ENOENT ? 0 : -1;
  int result = queuecap_bytes(data, UINT64_MAX, count);
  int error = errno;
  close(data);
  errno = error;
  return result;
}

/* Whether all could be counted. */
static bool
count(struct queuestat *stat)
{
  int64_t now_s = (int64_t)time(NULL), oldest = now_s;
  uint64_t queued = 0;
  jobqueue_doubt(stat->directory);
  int root = open(stat->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool counted = root >= 0 && count_active(root, &stat->active) == 0 &&
                 count_jobs(root, "queue", &queued, &oldest) == 0 &&
                 count_jobs(root, "deferred", &stat->deferred, NULL) == 0 &&
                 count_jobs(root, "failed", &stat->failed, NULL) == 0 &&
                 count_bytes(root, &stat->bytes) == 0;
  if (!counted)
    strerr_warnwu2sys("count ", stat->directory);
  if (root >= 0)
    close(root);
  /* The two were not read in one instant. */
  if (stat->active > queued)
    stat->active = queued;
  stat->waiting = queued - stat->active;
  stat->oldest_s = (uint64_t)(now_s - oldest);
  return counted;
}

/* Jobs are made by link(2) and removed by unlink(2); one that is put aside or
 * comes back is renamed. */
static void
start_watch(int inotify, struct queuestat *stat)
{
  static char const below[] = "/queue";
  char *path = malloc(strlen(stat->directory) + sizeof below);
  if (!path)
    strerr_diefusys(EXIT_TEMPORARY, "get memory");
  strcpy(stpcpy(path, stat->directory), below);
  stat->watch =
      inotify_add_watch(inotify, path, IN_CREATE | IN_DELETE | IN_ONLYDIR);
  if (stat->watch == -1 && errno != ENOENT)
    strerr_diefusys(EXIT_TEMPORARY, "watch ", path);
  free(path);
}

static void
take_event(struct queuestat *stats, size_t n, struct inotify_event const *event)
{
  for (size_t i = 0; i < n; i++) {
    if (event->mask & IN_Q_OVERFLOW)
      strerr_dief(EXIT_TEMPORARY, "more events than could be counted");
    if (event->wd != stats[i].watch || !event->len || event->name[0] < '0' ||
        event->name[0] > '9')
      continue;
    stats[i].in += (event->mask & IN_CREATE) != 0;
    stats[i].out += (event->mask & IN_DELETE) != 0;
  }
}

/* Count what comes and goes for so long; how long it was. */
static int64_t
watch(struct queuestat *stats, size_t n, uint32_t window_s)
{
  _Alignas(struct inotify_event) char bytes[65536];
  int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify == -1)
    strerr_diefusys(EXIT_TEMPORARY, "watch");
  struct pollfd wait = {.fd = inotify, .events = POLLIN};
  for (size_t i = 0; i < n; i++)
    start_watch(inotify, stats + i);
  int64_t begin_ms = clock_ms(), now_ms = begin_ms;
  int64_t end_ms = begin_ms + (int64_t)window_s * 1000;
  for (; now_ms < end_ms; now_ms = clock_ms()) {
    if (poll(&wait, 1, (int)(end_ms - now_ms)) == -1 && errno != EINTR)
      strerr_diefusys(EXIT_TEMPORARY, "watch");
    ssize_t got = read(inotify, bytes, sizeof bytes);
    for (char const *p = bytes; got > 0 && p < bytes + got;) {
      struct inotify_event const *event = (struct inotify_event const *)p;
      take_event(stats, n, event);
      p += sizeof *event + event->len;
    }
  }
  close(inotify);
  return now_ms - begin_ms;
}

static int
read_options(struct options *options, int argc, char **argv)
{
  int option;
  opterr = 0;
  while ((option = getopt(argc, argv, "tpw:")) != -1) {
    if ((option == 't' || option == 'p') && options->form == STATFORM_LINES)
      options->form = option == 't' ? STATFORM_TABLE : STATFORM_METRICS;
    else if (option == 'w')
      options->window_s = option_number32("-w", optarg, 1, WINDOW_MAX_S);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (optind == argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return optind;
}

/* The directories, each once: an instance of a metric must not come twice. */
static size_t
name_queues(struct queuestat *stats, char **names)
{
  size_t n = 0;
  for (; *names; names++) {
    size_t i = 0;
    while (i < n && strcmp(stats[i].directory, *names))
      i++;
    if (i == n)
      stats[n++].directory = *names;
  }
  return n;
}

int
main(int argc, char **argv)
{
  struct options options = {.form = STATFORM_LINES};
  int64_t window_ms = 0;
  size_t counted = 0;
  process_begin("dq-stat");
  int first = read_options(&options, argc, argv);
  struct queuestat *stats = calloc((size_t)(argc - first), sizeof *stats);
  if (!stats)
    strerr_diefusys(EXIT_TEMPORARY, "get memory");
  size_t n = name_queues(stats, argv + first);
  if (options.window_s)
    window_ms = watch(stats, n, options.window_s);
  for (size_t i = 0; i < n; i++)
    if (count(stats + i))
      stats[counted++] = stats[i];
  statform_print(options.form, stats, counted, window_ms);
  free(stats);
  if (fflush(stdout) == EOF || ferror(stdout))
    strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
  return counted < n ? EXIT_TEMPORARY : EXIT_DONE;
}
