#include "deliver/queuecap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#include <skalibs/djbunix.h>

#include "lib/ascii.h"
#include "lib/jobfan.h"

#define SECOND_NS INT64_C(1000000000)
#define COST_FACTOR 10 /* counting takes at most a tenth of the time */

void
queuecap_start(struct queuecap *cap, uint64_t most,
               int (*counter)(int, uint64_t, uint64_t *))
{
  cap->most = most;
  cap->counter = counter;
  cap->count = 0;
  cap->fresh_ns = 0;
  cap->full_ns = 0;
}

/* A directory in another one, for reading; NULL with errno. */
static DIR *
open_directory(int parent, char const *name)
{
  int fd =
      openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd == -1)
    return NULL;
  DIR *directory = fdopendir(fd);
  if (!directory)
    fd_close(fd);
  return directory;
}

/* The next entry that is not hidden; NULL at the end and, with errno, on
 * failure. */
static struct dirent *
next_entry(DIR *directory)
{
  struct dirent *entry;
  errno = 0;
  do
    entry = readdir(directory);
  while (entry && entry->d_name[0] == '.');
  return entry;
}

/* Close it; -1 if errno says that reading failed. */
static int
close_directory(DIR *directory)
{
  int error = errno;
  closedir(directory);
  errno = error;
  return error ? -1 : 0;
}

/* Add the jobs of a directory, and, in fan-out, of those in it. */
static int
add_jobs(int parent, char const *name, bool fans, uint64_t enough,
         uint64_t *count)
{
  struct dirent *entry;
  DIR *jobs = open_directory(parent, name);
  if (!jobs)
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
  while (*count < enough && (entry = next_entry(jobs))) {
    if (entry->d_type != DT_DIR)
      *count += ascii_is_digit(entry->d_name[0]);
    else if (fans && jobfan_is_directory(entry->d_name) &&
             add_jobs(dirfd(jobs), entry->d_name, false, enough, count))
      return close_directory(jobs);
  }
  if (*count >= enough)
    errno = 0;
  return close_directory(jobs);
}

int
queuecap_jobs(int directory, uint64_t enough, uint64_t *count)
{
  *count = 0;
  return add_jobs(directory, ".", true, enough, count);
}

/* Add up what is in a directory that lies depth levels above the files. What
 * has gone or is no directory meanwhile counts nothing. */
static int
add_bytes(int parent, char const *name, int depth, uint64_t enough,
          uint64_t *count)
{
  struct dirent *entry;
  struct stat status;
  DIR *directory = open_directory(parent, name);
  if (!directory)
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
  while (*count < enough && (entry = next_entry(directory))) {
    if (depth) {
      if (add_bytes(dirfd(directory), entry->d_name, depth - 1, enough, count))
        return close_directory(directory);
    } else if (fstatat(dirfd(directory), entry->d_name, &status,
                       AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISREG(status.st_mode)) {
      *count += (uint64_t)status.st_size;
    }
  }
  if (*count >= enough)
    errno = 0;
  return close_directory(directory);
}

int
queuecap_bytes(int directory, uint64_t enough, uint64_t *count)
{
  *count = 0;
  return add_bytes(directory, ".", 2, enough, count);
}

static int64_t
monotonic_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

int
queuecap_has_room(struct queuecap *cap, int directory, uint64_t more)
{
  if (!cap->most)
    return 1;
  if (more > cap->most)
    return 0;
  int64_t now = monotonic_ns();
  bool room = cap->count <= cap->most - more;
  if (now < (room ? cap->fresh_ns : cap->full_ns))
    return room;
  if (cap->counter(directory, cap->most, &cap->count) == -1)
    return -1;
  int64_t counted = monotonic_ns();
  int64_t cost = COST_FACTOR * (counted - now);
  cap->fresh_ns = counted + (cost > SECOND_NS ? cost : SECOND_NS);
  room = cap->count <= cap->most - more;
  cap->full_ns = room ? 0 : counted + cost;
  return room;
}

void
queuecap_add(struct queuecap *cap, uint64_t more)
{
  cap->count += more;
}
