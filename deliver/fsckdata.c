/* Data files that no control file names. */
#include "deliver/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "deliver/fileset.h"
#include "deliver/progress.h"
#include "deliver/retry.h"
#include "deliver/stop.h"
#include "lib/jobname.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define FILE_OR_DIRECTORY (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define ORPHAN_S (INT64_C(36) * 3600)
#define LOCKS_MAX 64 /* directories of jobs put aside */
#define PATH_LINE "QDFN: "

struct search {
  struct fsck *fsck;
  struct fileset old; /* data files that may go: "data/x/y/NAME" */
  struct progress progress;
  bool incomplete; /* not all could be read: nothing is an orphan */
  bool locking;
  size_t locks;
  int lock[LOCKS_MAX];
};

static void
failed(struct search *search, char const *action, char const *path)
{
  search->incomplete = true;
  fsck_trouble(search->fsck, action, path, "");
}

/* Call look for each entry of a directory, which it closes; path is its own. */
static void
visit_all(struct search *search, int fd, char const *path,
          void look(struct search *search, int parent, char const *path,
                    char const *name))
{
  struct dirent const *entry;
  char below[JOBQUEUE_FILE_MAX + 1];
  DIR *stream = fd == -1 ? NULL : fdopendir(fd);
  if (!stream) {
    failed(search, "read", path);
    if (fd >= 0)
      close(fd);
    return;
  }
  while (errno = 0, (entry = readdir(stream))) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
      continue;
    snprintf(below, sizeof below, "%s%s%s", path, path[0] ? "/" : "",
             entry->d_name);
    look(search, dirfd(stream), below, entry->d_name);
    progress_step(&search->progress);
    search->incomplete |= search->progress.done % 256 == 0 && stop_wanted(0);
    if (search->incomplete)
      break;
  }
  if (errno && !search->incomplete)
    failed(search, "read", path);
  closedir(stream);
}

static void
look_at_data(struct search *search, int parent, char const *path,
             char const *name)
{
  struct stat status;
  if (fsck_stat(parent, name, &status) &&
      fsck_age(search->fsck, &status) > ORPHAN_S &&
      !fileset_add(&search->old, path))
    failed(search, "keep in memory", path);
}

/* data/x, and data/x/y. Others have no data files. */
static void
look_at_leaf(struct search *search, int parent, char const *path,
             char const *name)
{
  if (strlen(name) != 1)
    return;
  int fd = openat(parent, name, DIRECTORY);
  if (fd == -1 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
    return;
  visit_all(search, fd, path,
            strlen(path) == sizeof "data/x" - 1 ? look_at_leaf : look_at_data);
}

/* The four last parts of a path are the file's, wherever the queue was. */
static void
mark_path(struct search *search, char const *path, size_t n)
{
  char text[JOBDATA_PATH_MAX];
  size_t slashes = 0, start = n;
  while (start && (slashes += path[start - 1] == '/') < 4)
    start--;
  if (n - start >= sizeof text)
    return;
  memcpy(text, path + start, n - start);
  text[n - start] = 0;
  fileset_mark(&search->old, text);
}

/* The file that a job of this name would have, for jobs that cannot be read:
 * who looks at them may want it. */
static void
mark_name(struct search *search, char const *name)
{
  char path[JOBNAME_DATA_MAX + 1];
  int64_t due_s;
  char const *job = retry_job(name, &due_s);
  if (jobname_data(job ? job : name, path))
    fileset_mark(&search->old, path);
}

/* Every line that may name a data file counts, also in what is damaged. */
static void
mark_file(struct search *search, int fd, char const *path)
{
  static char text[JOBRECORD_TEXT_MAX];
  size_t n = 0;
  ssize_t got = 0;
  while (n < sizeof text && (got = read(fd, text + n, sizeof text - n)) > 0)
    n += (size_t)got;
  if (got == -1)
    failed(search, "read", path);
  for (char const *p = text, *end = text + n; p < end;) {
    char const *lf = memchr(p, '\n', (size_t)(end - p));
    size_t length = (size_t)((lf ? lf : end) - p);
    if (length > sizeof PATH_LINE - 1 &&
        !memcmp(p, PATH_LINE, sizeof PATH_LINE - 1))
      mark_path(search, p + sizeof PATH_LINE - 1,
                length - (sizeof PATH_LINE - 1));
    p += length + 1;
  }
}

/* A control file, or a directory of them: jobs put aside, or fan-out. */
static void
look_at_control(struct search *search, int parent, char const *path,
                char const *name)
{
  struct stat status;
  mark_name(search, name);
  int fd = openat(parent, name, FILE_OR_DIRECTORY);
  if (fd == -1) {
    if (errno != ENOENT && errno != ELOOP && errno != ENXIO)
      failed(search, "read", path);
    return;
  }
  bool known = fstat(fd, &status) == 0;
  if (known && S_ISDIR(status.st_mode)) {
    visit_all(search, fd, path, look_at_control);
    return;
  }
  if (!known)
    failed(search, "read", path);
  else if (S_ISREG(status.st_mode))
    mark_file(search, fd, path);
  close(fd);
}

/* Directories of jobs put aside. */
static void
look_at_aside(struct search *search, int parent, char const *path,
              char const *name)
{
  static char const *const others[] = {"tmp", "data", "queue", "active"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (!strcmp(name, others[i]))
      return;
  int fd = openat(parent, name, DIRECTORY);
  if (fd == -1 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
    return;
  if (fd >= 0 && search->locking) {
    int lock = search->locks < LOCKS_MAX ? dup(fd) : -1;
    if (lock == -1 || flock(lock, LOCK_EX) == -1)
      failed(search, "lock", path);
    if (lock >= 0)
      search->lock[search->locks++] = lock;
    close(fd);
    return;
  }
  visit_all(search, fd, path, look_at_control);
}

static void
visit_aside(struct search *search)
{
  visit_all(search, openat(search->fsck->taker.queue.root, ".", DIRECTORY), "",
            look_at_aside);
}

/* Mark what control files name. A job moves from queue to where it is put
 * aside at any time; back only by whoever has the lock of that place. */
static void
mark_all(struct search *search)
{
  int queue = search->fsck->taker.queue.queue;
  progress_start(&search->progress, "control files");
  if (queue >= 0)
    visit_all(search, openat(queue, ".", DIRECTORY), "queue", look_at_control);
  if (!search->incomplete)
    visit_aside(search);
  progress_end(&search->progress);
}

static void
judge(struct search *search, char const *path)
{
  struct fsck *fsck = search->fsck;
  struct jobqueue *queue = &fsck->taker.queue;
  struct stat status;
  struct fsck_finding finding = {"orphan-data", "data",
                                 path + sizeof "data/" - 1,
                                 "no control file names it", "remove"};
  if (stop_wanted(0) || !fsck_stat(queue->root, path, &status) ||
      fsck_age(fsck, &status) <= ORPHAN_S)
    return;
  bool removed =
      fsck->repair && jobdata_remove(&fsck->taker.data, queue, path) == 0;
  if (fsck->repair && !removed)
    fsck_trouble(fsck, "remove", path, "");
  fsck_report(fsck, &finding, removed);
}

/* With the locks that keep jobs where they are put aside. */
static void
judge_all(struct search *search)
{
  search->locking = true;
  visit_aside(search);
  search->locking = false;
  if (!search->incomplete)
    mark_all(search);
  for (char const *path;
       !search->incomplete && (path = fileset_next_unmarked(&search->old));)
    judge(search, path);
  while (search->locks)
    close(search->lock[--search->locks]);
}

void
fsck_data(struct fsck *fsck)
{
  struct search search = {.fsck = fsck};
  if (fsck->taker.queue.data == -1 || stop_wanted(0))
    return;
  progress_start(&search.progress, "data files");
  visit_all(&search, openat(fsck->taker.queue.data, ".", DIRECTORY), "data",
            look_at_leaf);
  progress_end(&search.progress);
  fileset_sort(&search.old);
  if (search.old.count && !search.incomplete)
    mark_all(&search);
  if (search.old.marked < search.old.count && !search.incomplete)
    judge_all(&search);
  fileset_end(&search.old);
}
