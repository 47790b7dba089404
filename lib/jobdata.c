#include "lib/jobdata.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define FIXED (sizeof "data/x/y/" - 1)

static bool
is_leaf_name(char c)
{
  return c != '/' && c != '.';
}

/* The "data/x/y/NAME" that a path ends with; NULL if it does not. */
static char const *
last_part(char const *path)
{
  char const *name = strrchr(path, '/');
  if (!name || (size_t)(++name - path) < FIXED)
    return NULL;
  char const *part = name - FIXED;
  if (strncmp(part, "data/", 5) || !is_leaf_name(part[5]) || part[6] != '/' ||
      !is_leaf_name(part[7]) || part[8] != '/' ||
      (part > path && part[-1] != '/'))
    return NULL;
  return *name && strcmp(name, ".") && strcmp(name, "..") &&
                 strlen(name) <= NAME_MAX
             ? part
             : NULL;
}

/* Whether the path is another queue's that exists. prefix ends in a slash. */
static bool
is_elsewhere(struct jobdata *data, struct jobqueue const *queue,
             char const *path, char const *prefix)
{
  char real[PATH_MAX];
  struct stat status;
  if (!strcmp(prefix, data->known))
    return false;
  if (realpath(prefix, real) && !strcmp(real, queue->path)) {
    strcpy(data->known, prefix);
    return false;
  }
  return lstat(path, &status) == 0 || errno == EACCES;
}

char const *
jobdata_locate(struct jobdata *data, struct jobqueue const *queue,
               char const *path, char *out)
{
  char prefix[JOBQUEUE_PATH_MAX + 1];
  char const *part = last_part(path);
  size_t own = strlen(queue->path);
  if (!part)
    return "data file not in the queue";
  size_t n = (size_t)(part - path);
  if (path[0] == '/' &&
      !(n == own + 1 && path[own] == '/' && !memcmp(path, queue->path, own))) {
    if (n > JOBQUEUE_PATH_MAX)
      return "data file not in the queue";
    memcpy(prefix, path, n);
    prefix[n] = 0;
    if (is_elsewhere(data, queue, path, prefix))
      return "data file not in the queue";
  }
  strcpy(out, part);
  return NULL;
}

static void
close_leaf(struct jobdata *data, struct jobdata_leaf *leaf)
{
  if (!leaf->fd)
    return;
  close(leaf->fd);
  leaf->fd = 0;
  data->leaves--;
}

static bool
is_shortage(int error)
{
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Open data/x/y, step by step: none of them may be a link to elsewhere. */
static int
open_leaf(struct jobqueue const *queue, char first, char second)
{
  int parent = openat(queue->data, (char const[]){first, 0}, DIRECTORY);
  if (parent == -1)
    return -1;
  int fd = openat(parent, (char const[]){second, 0}, DIRECTORY);
  int error = errno;
  close(parent);
  errno = error;
  return fd;
}

/* The descriptor of the directory of a located file, or -1. */
static int
find_leaf(struct jobdata *data, struct jobqueue const *queue,
          char const *located)
{
  unsigned char first = (unsigned char)located[5];
  unsigned char second = (unsigned char)located[7];
  struct jobdata_leaf *leaf =
      data->leaf + (first * 11U + second) % JOBDATA_LEAVES;
  if (leaf->fd && leaf->first == (char)first && leaf->second == (char)second)
    return leaf->fd;
  int fd = open_leaf(queue, (char)first, (char)second);
  if (fd == -1)
    return -1;
  if (!data->looks_only && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == -1) {
    int error = errno;
    close(fd);
    errno = error == EROFS ? EROFS : EACCES;
    return -1;
  }
  if (data->leaves >= queue->most_leaves / 2)
    jobdata_close(data);
  close_leaf(data, leaf);
  data->leaves++;
  *leaf = (struct jobdata_leaf){(char)first, (char)second, fd};
  return fd;
}

static int
open_file(struct jobdata *data, struct jobqueue const *queue,
          char const *located)
{
  int leaf = find_leaf(data, queue, located);
  if (leaf == -1)
    return -1;
  return openat(leaf, located + FIXED,
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

int
jobdata_open(struct jobdata *data, struct jobqueue *queue, char const *located,
             uint64_t *bytes, char const **reason)
{
  struct stat status;
  int fd = open_file(data, queue, located);
  /* A directory may have been made anew; or what we keep open is too much. */
  if (fd == -1 && (errno == ENOENT || is_shortage(errno))) {
    jobdata_close(data);
    fd = open_file(data, queue, located);
  }
  if (fd == -1) {
    *reason = is_shortage(errno) ? NULL
              : errno == ENOENT  ? "data file is gone"
              : errno == ELOOP   ? "data file is a symbolic link"
              : errno == EACCES  ? "data file or directory not permitted"
              : errno == EROFS   ? "data file on a read-only file system"
                                 : "unable to open the data file";
    return -1;
  }
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    *bytes = (uint64_t)status.st_size;
    return fd;
  }
  *reason = "data file is no regular file";
  close(fd);
  return -1;
}

int
jobdata_remove(struct jobdata *data, struct jobqueue *queue,
               char const *located)
{
  int leaf = find_leaf(data, queue, located);
  if (leaf == -1)
    return errno == ENOENT ? 0 : -1;
  return unlinkat(leaf, located + FIXED, 0) == 0 || errno == ENOENT ? 0 : -1;
}

void
jobdata_close(struct jobdata *data)
{
  for (size_t i = 0; i < JOBDATA_LEAVES; i++)
    close_leaf(data, data->leaf + i);
  data->known[0] = 0;
}
