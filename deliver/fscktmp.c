/* What writers and workers that were killed left in tmp. */
#include "deliver/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "deliver/progress.h"
#include "deliver/stop.h"
#include "lib/jobname.h"

#define HOUR_S 3600
#define LONG_S (INT64_C(36) * HOUR_S)
#define DEAD_LOCK_S 300
#define DIGITS "0123456789"

static bool
ends_with(char const *name, size_t n, char const *end)
{
  size_t m = strlen(end);
  return n > m && !memcmp(name + n - m, end, m);
}

/* The process of this host that a lock's file "ANY.HOST.PID.active" is of; 0
 * if it is of another host or does not say. n: without ".active". */
static int64_t
lock_owner(struct fsck const *fsck, char const *name, size_t n)
{
  char host[JOBLOCK_HOST_MAX + 1];
  uint32_t pid;
  size_t digits = 0, m = strlen(fsck->taker.locker.host);
  while (digits < n && name[n - digits - 1] >= '0' &&
         name[n - digits - 1] <= '9')
    digits++;
  if (!digits || n < digits + m + 2 ||
      uint32_scan(name + n - digits, &pid) != digits)
    return 0;
  strcpy(host, fsck->taker.locker.host);
  for (char *p = host; *p; p++)
    if (*p == '/')
      *p = '_';
  char const *dot = name + n - digits - 1;
  return dot[0] == '.' && dot[-(ptrdiff_t)m - 1] == '.' &&
                 !memcmp(dot - m, host, m)
             ? pid
             : 0;
}

/* The process of this host that made "PP.TIME.HASH.PID.RAND"; 0 if it is of
 * another host or of another form. n: the bytes of that. */
static int64_t
writer(struct fsck const *fsck, char const *name, size_t n)
{
  char hash[JOBNAME_HASH_MAX + 1];
  uint32_t pid;
  if (strspn(name, DIGITS) != 2 || name[2] != '.' ||
      strspn(name + 3, DIGITS) != 20 || name[23] != '.')
    return 0;
  char const *given = name + 24;
  size_t length = strcspn(given, ".");
  char const *digits = given + length + 1;
  size_t scanned = given[length] ? uint32_scan(digits, &pid) : 0;
  if (!scanned || digits[scanned] != '.' ||
      jobname_hash(fsck->taker.locker.host, pid, hash) != length ||
      memcmp(hash, given, length))
    return 0;
  char const *random = digits + scanned + 1;
  return random + strspn(random, DIGITS) == name + n ? pid : 0;
}

/* Why a file may go; NULL: it stays. */
static char const *
debris(struct fsck const *fsck, char const *name, int64_t age_s)
{
  size_t n = strlen(name);
  bool lock = ends_with(name, n, ".active");
  if (!lock && !ends_with(name, n, ".data") && !ends_with(name, n, ".ctrl"))
    return NULL;
  if (lock) {
    int64_t pid = lock_owner(fsck, name, n - (sizeof ".active" - 1));
    if (pid)
      return fsck_is_dead(pid) && age_s > DEAD_LOCK_S ? "its process is gone"
                                                      : NULL;
    return age_s > HOUR_S ? "older than an hour" : NULL;
  }
  if (age_s > LONG_S)
    return "older than 36 hours";
  int64_t pid = writer(fsck, name, n - (sizeof ".data" - 1));
  return pid && age_s > HOUR_S && fsck_is_dead(pid) ? "its process is gone"
                                                    : NULL;
}

static void
look_at(struct fsck *fsck, int tmp, char const *name)
{
  struct stat status;
  if (!fsck_stat(tmp, name, &status))
    return;
  struct fsck_finding finding = {"tmp-debris", "tmp", name,
                                 debris(fsck, name, fsck_age(fsck, &status)),
                                 "remove"};
  if (!finding.why)
    return;
  bool gone = fsck->repair && unlinkat(tmp, name, 0) == 0;
  if (fsck->repair && !gone && errno != ENOENT)
    fsck_trouble(fsck, "remove", "tmp", name);
  fsck_report(fsck, &finding, gone);
}

void
fsck_tmp(struct fsck *fsck)
{
  struct dirent const *entry;
  struct progress progress;
  int fd = fsck->taker.queue.tmp;
  if (fd == -1)
    return;
  fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd == -1 ? NULL : fdopendir(fd);
  if (!stream) {
    fsck_trouble(fsck, "read", "tmp", "");
    if (fd >= 0)
      close(fd);
    return;
  }
  progress_start(&progress, "files in tmp");
  while (errno = 0, !stop_wanted(0) && (entry = readdir(stream))) {
    look_at(fsck, fd, entry->d_name);
    progress_step(&progress);
  }
  progress_end(&progress);
  if (errno)
    fsck_trouble(fsck, "read", "tmp", "");
  closedir(stream);
}
