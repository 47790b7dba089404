/* What has no business in queue/, active/ and data/, and what nobody else says.
 */
#include "deliver/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deliver/progress.h"
#include "deliver/stop.h"
#include "lib/ascii.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define BY_HAND "none, see to it by hand"

/* What a directory is for. */
enum place {
  QUEUE,      /* control files, and directories of fan-out */
  QUEUE_FAN,  /* control files */
  DATA,       /* x */
  DATA_FIRST, /* y in data/x */
  DATA_LEAF,  /* data files */
  ACTIVE,     /* locks */
};

struct walk {
  struct fsck *fsck;
  char const *top; /* "queue", "active" or "data"; paths are below it */
  struct progress progress;
};

static void look_into(struct walk *walk, int parent, char const *name,
                      char const *path, enum place place);

static unsigned char
type_of(int directory, struct dirent const *entry)
{
  struct stat status;
  if (entry->d_type != DT_UNKNOWN ||
      fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == -1)
    return entry->d_type;
  return IFTODT(status.st_mode);
}

/* Why an entry does not belong there; NULL: it does. */
static char const *
judge(char const *name, unsigned char type, enum place place)
{
  bool holds_files = place != DATA && place != DATA_FIRST;
  if (type == DT_UNKNOWN)
    return NULL; /* it has gone */
  if (type == DT_LNK)
    return "a symbolic link, never followed";
  if (type == DT_DIR && place == QUEUE)
    return jobfan_is_directory(name) ? NULL : "a directory";
  if (type == DT_DIR)
    return holds_files    ? "a directory"
           : name[1] == 0 ? NULL
                          : "a directory that no data file is looked for in";
  if (type != DT_REG)
    return "a fifo, socket or device";
  if (!holds_files)
    return "a file outside of data/x/y";
  if (place == DATA_LEAF || place == ACTIVE)
    return NULL;
  if (!ascii_is_digit(name[0]))
    return "no job: its name begins with no digit";
  return strlen(name) + (place == QUEUE_FAN ? 2 : 0) > JOBLIST_NAME_MAX
             ? "no job that is found: its name is too long"
             : NULL;
}

/* An entry that is not hidden; path is its own. */
static void
look_at(struct walk *walk, int directory, struct dirent const *entry,
        char const *path, enum place place)
{
  unsigned char type = type_of(directory, entry);
  struct fsck_finding finding = {"odd-entry", walk->top, path,
                                 judge(entry->d_name, type, place), BY_HAND};
  progress_step(&walk->progress);
  if (finding.why)
    fsck_report(walk->fsck, &finding, false);
  else if (type == DT_DIR)
    look_into(walk, directory, entry->d_name, path, place + 1);
}

static void
look_into(struct walk *walk, int parent, char const *name, char const *path,
          enum place place)
{
  char below[JOBQUEUE_FILE_MAX + 1];
  struct dirent const *entry;
  int fd = openat(parent, name, DIRECTORY);
  DIR *stream = fd == -1 ? NULL : fdopendir(fd);
  if (!stream) {
    if (errno != ENOENT)
      fsck_trouble(walk->fsck, "read", walk->top, path);
    if (fd >= 0)
      close(fd);
    return;
  }
  while (errno = 0, !stop_wanted(0) && (entry = readdir(stream))) {
    if (entry->d_name[0] == '.')
      continue;
    snprintf(below, sizeof below, "%s%s%s", path, path[0] ? "/" : "",
             entry->d_name);
    look_at(walk, fd, entry, below, place);
  }
  if (errno && !stop_wanted(0))
    fsck_trouble(walk->fsck, "read", walk->top, path);
  closedir(stream);
}

void
fsck_odd(struct fsck *fsck)
{
  struct walk walk = {.fsck = fsck, .top = "queue"};
  struct jobqueue const *queue = &fsck->taker.queue;
  progress_start(&walk.progress, "entries");
  if (queue->queue != -1)
    look_into(&walk, queue->queue, ".", "", QUEUE);
  walk.top = "active";
  if (queue->active != -1)
    look_into(&walk, queue->active, ".", "", ACTIVE);
  walk.top = "data";
  if (queue->data != -1)
    look_into(&walk, queue->data, ".", "", DATA);
  progress_end(&walk.progress);
}
