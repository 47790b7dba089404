#include "filters/cdbfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#define TEMPORARY_SUFFIX ".XXXXXX"

static int
sync_directory(char const *path)
{
  char directory[CDBFILE_PATH_MAX + 2];
  char const *slash = strrchr(path, '/');
  int n = slash ? (int)(slash - path) + 1 : 0;
  snprintf(directory, sizeof directory, "%.*s.", n, path);
  int fd = openc_read(directory);
  if (fd < 0)
    return -1;
  int r = fd_sync(fd);
  fd_close(fd);
  return r;
}

static int
fill(int fd, struct rulecdb_maker const *maker, struct stat const *text)
{
  if (fchown(fd, (uid_t)-1, text->st_gid) < 0 && errno != EPERM)
    return -1;
  if (allwrite(fd, maker->bytes, maker->used) < maker->used)
    return -1;
  if (fchmod(fd, text->st_mode & 0644) < 0)
    return -1;
  return fd_sync(fd);
}

static int
failed(struct cdbfile_failure *failure, char const *action)
{
  int reason = errno;
  failure->action = action;
  unlink(failure->path);
  errno = reason;
  return -1;
}

int
cdbfile_write(char const *path, struct rulecdb_maker const *maker,
              struct stat const *text, struct cdbfile_failure *failure)
{
  int n = snprintf(failure->path, sizeof failure->path, "%s" TEMPORARY_SUFFIX,
                   path);
  failure->action = "create ";
  if (n < 0 || (size_t)n >= sizeof failure->path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int fd = mkstemp(failure->path);
  if (fd < 0)
    return -1;
  int result = fill(fd, maker, text);
  if (result == -1)
    fd_close(fd);
  if (result == -1 || close(fd) < 0)
    return failed(failure, "write ");
  if (rename(failure->path, path) < 0)
    return failed(failure, "rename ");
  failure->action = "sync the directory of ";
  strcpy(failure->path, path);
  return sync_directory(path);
}
