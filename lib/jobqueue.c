#include "lib/jobqueue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/strerr.h>

#include "lib/exitcode.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int
jobqueue_fail(struct jobqueue *queue, char const *action, char const *directory,
              char const *file)
{
  struct jobqueue_failure *failure = &queue->failure;
  failure->action = action;
  failure->error = errno;
  int n =
      snprintf(failure->path, sizeof failure->path, "%s%s%s%s%s",
               queue->path[0] ? queue->path : queue->name,
               directory[0] ? "/" : "", directory, file[0] ? "/" : "", file);
  if (n < 0)
    failure->path[0] = 0;
  errno = failure->error;
  return -1;
}

int
jobqueue_start(struct jobqueue *queue, char const *name)
{
  queue->name = name;
  queue->path[0] = 0;
  queue->failure.action = "open";
  queue->failure.path[0] = 0;
  queue->root = queue->tmp = queue->data = queue->queue = queue->active = -1;
  queue->opened = 0;
  memset(queue->leaf, 0, sizeof queue->leaf);
  queue->leaves = 0;
  /* the other half is for the rest of the program */
  queue->most_leaves = (size_t)sysconf(_SC_OPEN_MAX) / 2;
  if (!name[0] || strchr(name, '\n')) {
    errno = EINVAL;
    return -1;
  }
  if (strlen(name) > JOBQUEUE_PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  snprintf(queue->watched, sizeof queue->watched, "%s/queue", name);
  return 0;
}

static void
close_one(int *fd)
{
  if (*fd >= 0)
    fd_close(*fd);
  *fd = -1;
}

static void
close_leaf(struct jobqueue *queue, struct jobqueue_leaf *leaf)
{
  if (!leaf->fd)
    return;
  fd_close(leaf->fd);
  leaf->fd = 0;
  queue->leaves--;
}

static void
close_leaves(struct jobqueue *queue)
{
  for (size_t i = 0; queue->leaves && i < JOBQUEUE_LEAVES; i++)
    close_leaf(queue, queue->leaf + i);
}

void
jobqueue_close(struct jobqueue *queue)
{
  close_leaves(queue);
  close_one(&queue->root);
  close_one(&queue->tmp);
  close_one(&queue->data);
  close_one(&queue->queue);
  close_one(&queue->active);
  queue->path[0] = 0;
}

/* What root makes in another's queue is the other's, or his programs could not
 * write there. */
static int
give_away(int parent, int fd)
{
  struct stat status;
  if (geteuid() != 0)
    return 0;
  if (fstat(parent, &status) == -1)
    return -1;
  if (status.st_uid == 0)
    return 0;
  return fchown(fd, status.st_uid, status.st_gid) == -1
             ? -1
             : fchmod(fd, status.st_mode & 07777);
}

/* Open a directory in parent, or make it, and see that its name is on disk:
 * who has made it may not have come to that yet. */
static int
open_or_make(int parent, char const *name)
{
  bool made = false;
  int fd = openat(parent, name, DIRECTORY);
  if (fd == -1 && errno == ENOENT) {
    made = mkdirat(parent, name, 0777) == 0;
    if (!made && errno != EEXIST)
      return -1;
    fd = openat(parent, name, DIRECTORY);
  }
  if (fd >= 0 &&
      (fd_sync(parent) == -1 || (made && give_away(parent, fd) == -1)))
    close_one(&fd);
  return fd;
}

static int
open_part(struct jobqueue *queue, int *fd, char const *name)
{
  close_one(fd);
  *fd = open_or_make(queue->root, name);
  return *fd >= 0 ? 0 : jobqueue_fail(queue, "open", name, "");
}

int
jobqueue_renew_tmp(struct jobqueue *queue)
{
  return open_part(queue, &queue->tmp, "tmp");
}

int
jobqueue_renew_active(struct jobqueue *queue)
{
  return open_part(queue, &queue->active, "active");
}

int
jobqueue_renew_queue(struct jobqueue *queue)
{
  struct stat status;
  if (open_part(queue, &queue->queue, "queue") == -1)
    return -1;
  if (fstat(queue->queue, &status) == -1)
    return jobqueue_fail(queue, "open", "queue", "");
  queue->device = status.st_dev;
  queue->inode = status.st_ino;
  return 0;
}

static int
open_root(struct jobqueue *queue)
{
  char path[PATH_MAX];
  if (!realpath(queue->name, path))
    return jobqueue_fail(queue, "open", "", "");
  if (strlen(path) > JOBQUEUE_PATH_MAX || strchr(path, '\n')) {
    errno = strchr(path, '\n') ? EINVAL : ENAMETOOLONG;
    return jobqueue_fail(queue, "open", "", "");
  }
  memcpy(queue->path, path, strlen(path) + 1);
  queue->root = open(queue->path, DIRECTORY);
  return queue->root >= 0 ? 0 : jobqueue_fail(queue, "open", "", "");
}

int
jobqueue_open(struct jobqueue *queue, char const *name)
{
  int fd = -1;
  return open_part(queue, &fd, name) == 0 ? fd : -1;
}

int
jobqueue_ready(struct jobqueue *queue)
{
  struct stat status;
  if (queue->root >= 0 && stat(queue->watched, &status) == 0 &&
      status.st_dev == queue->device && status.st_ino == queue->inode)
    return 0;
  jobqueue_close(queue);
  if (open_root(queue) == 0 && jobqueue_renew_tmp(queue) == 0 &&
      open_part(queue, &queue->data, "data") == 0 &&
      jobqueue_renew_active(queue) == 0 && jobqueue_renew_queue(queue) == 0) {
    queue->opened++;
    return 0;
  }
  int error = errno;
  jobqueue_close(queue);
  errno = error;
  return -1;
}

static int
look_at(struct jobqueue *queue, int *fd, char const *name)
{
  *fd = openat(queue->root, name, DIRECTORY);
  return *fd >= 0 || errno == ENOENT ? 0
                                     : jobqueue_fail(queue, "open", name, "");
}

int
jobqueue_look(struct jobqueue *queue)
{
  jobqueue_close(queue);
  if (open_root(queue) == 0 && look_at(queue, &queue->tmp, "tmp") == 0 &&
      look_at(queue, &queue->data, "data") == 0 &&
      look_at(queue, &queue->active, "active") == 0 &&
      look_at(queue, &queue->queue, "queue") == 0)
    return 0;
  int error = errno;
  jobqueue_close(queue);
  errno = error;
  return -1;
}

static char const no_queue[] =
    " is no queue: it has other things in it, and no directory queue";

/* Whether one that is only just made can have it. */
static bool
is_of_queue(char const *name)
{
  return name[0] == '.' || !strcmp(name, "tmp") || !strcmp(name, "data") ||
         !strcmp(name, "active") || !strcmp(name, "lost+found");
}

static bool
is_no_queue(char const *directory)
{
  bool has_queue = false, has_others = false;
  struct dirent *entry;
  DIR *stream = opendir(directory);
  if (!stream)
    return false; /* who uses it will say why */
  while (!has_queue && (entry = readdir(stream))) {
    has_queue = !strcmp(entry->d_name, "queue");
    has_others = has_others || !is_of_queue(entry->d_name);
  }
  closedir(stream);
  return !has_queue && has_others;
}

void
jobqueue_doubt(char const *directory)
{
  if (is_no_queue(directory))
    strerr_warnw(directory, no_queue);
}

void
jobqueue_insist(char const *directory)
{
  if (is_no_queue(directory))
    strerr_dief(EXIT_PERMANENT, directory, no_queue);
}

static int
open_leaf(int data, char const *first, char const *second)
{
  int parent = open_or_make(data, first);
  if (parent == -1)
    return -1;
  int fd = open_or_make(parent, second);
  fd_close(parent);
  return fd;
}

/* Where the descriptor for a data path is kept. */
static struct jobqueue_leaf *
leaf_of(struct jobqueue *queue, char const *data_path)
{
  unsigned int first = (unsigned char)data_path[5];
  unsigned int second = (unsigned char)data_path[7];
  return queue->leaf + (first * 11 + second) % JOBQUEUE_LEAVES;
}

int
jobqueue_leaf(struct jobqueue *queue, char const *data_path)
{
  char first[2] = {data_path[5], 0};
  char second[2] = {data_path[7], 0};
  struct jobqueue_leaf *leaf = leaf_of(queue, data_path);
  if (leaf->fd && leaf->first == first[0] && leaf->second == second[0])
    return leaf->fd;
  int fd = open_leaf(queue->data, first, second);
  if (fd == -1 && errno == ENOENT) { /* data itself was removed */
    if (open_part(queue, &queue->data, "data") == -1)
      return -1;
    fd = open_leaf(queue->data, first, second);
  }
  if (fd == -1)
    return jobqueue_fail(queue, "open the directory of", data_path, "");
  if (queue->leaves >= queue->most_leaves)
    close_leaves(queue);
  close_leaf(queue, leaf);
  queue->leaves++;
  *leaf = (struct jobqueue_leaf){first[0], second[0], fd};
  return fd;
}

void
jobqueue_forget_leaf(struct jobqueue *queue, char const *data_path)
{
  int error = errno;
  close_leaf(queue, leaf_of(queue, data_path));
  errno = error;
}
