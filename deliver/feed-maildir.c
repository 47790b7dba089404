/* feed-maildir: the messages of a maildir through a pipeline.
 * feed-maildir(1). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>

#include "deliver/bar.h"
#include "deliver/feed.h"
#include "lib/exitcode.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "feed-maildir " FEED_USAGE " directory [--] [program [argument ...]]"

struct part {
  char path[PATH_MAX];
  struct dirent **entry; /* sorted by name: by time */
  int entries;
};

static int
is_visible(struct dirent const *entry)
{
  return entry->d_name[0] != '.';
}

/* Whether there is such a part. */
static bool
list_part(struct part *part, char const *directory, char const *name)
{
  int n = snprintf(part->path, sizeof part->path, "%s/%s", directory, name);
  if (n < 0 || (size_t)n >= sizeof part->path)
    strerr_dief(EXIT_PERMANENT, "path too long: ", directory);
  part->entries = scandir(part->path, &part->entry, is_visible, alphasort);
  if (part->entries >= 0)
    return true;
  part->entries = 0;
  if (errno != ENOENT)
    strerr_diefusys(EXIT_TEMPORARY, "read ", part->path);
  return false;
}

static void
send_file(struct feed *feed, char const *directory, char const *name)
{
  char path[PATH_MAX + NAME_MAX + 2];
  struct stat status;
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) == -1) {
    feed_trouble(feed, "error: unable to read a message", path);
  } else if (!S_ISREG(status.st_mode)) {
    errno = EINVAL;
    feed_trouble(feed, "error: not a regular file", path);
  } else
    feed_send(feed, fd, (uint64_t)status.st_size, path, NULL);
  if (fd >= 0)
    fd_close(fd);
}

static void
send_part(struct feed *feed, struct part const *part, uint64_t before,
          uint64_t all)
{
  for (int i = 0; i < part->entries && feed_goes_on(feed); i++) {
    send_file(feed, part->path, part->entry[i]->d_name);
    bar_show(before + (uint64_t)i + 1, all, feed->verdicts.all);
  }
}

int
main(int argc, char **argv)
{
  static struct feed feed = {.limit_s = 300};
  static struct part cur, new;
  process_begin("feed-maildir");
  int first = feed_options(&feed, argc, argv);
  if (first < 0 || first >= argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  bool has_cur = list_part(&cur, argv[first], "cur");
  if (!list_part(&new, argv[first], "new") && !has_cur)
    strerr_dief(EXIT_PERMANENT, "no maildir: ", argv[first]);
  feed_start(&feed, argv + first + 1);
  uint64_t all = (uint64_t)cur.entries + (uint64_t) new.entries;
  send_part(&feed, &cur, 0, all);
  send_part(&feed, &new, (uint64_t)cur.entries, all);
  return feed_finish(&feed);
}
