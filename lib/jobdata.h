/*
 * The data file that a control file names: found, opened and removed in the
 * queue's own data/x/y alone, whatever the control file says.
 */
#ifndef TRAPLINE_LIB_JOBDATA_H
#define TRAPLINE_LIB_JOBDATA_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/jobqueue.h"

#define JOBDATA_LEAVES 128
#define JOBDATA_PATH_MAX (sizeof "data/x/y/" + NAME_MAX)

struct jobdata_leaf {
  char first, second; /* data/first/second */
  int fd;             /* 0: none */
};

/* Directories of data files that are kept open. All zero: none. */
struct jobdata {
  bool looks_only; /* no file is to be removed: directories may be read-only */
  size_t leaves;   /* that are open, a quarter of all descriptors at most */
  struct jobdata_leaf leaf[JOBDATA_LEAVES];
  char known[JOBQUEUE_PATH_MAX + 1]; /* another spelling of the queue's path */
};

/*
 * "data/x/y/NAME" for QDFN's path into out, room for JOBDATA_PATH_MAX.
 * What is elsewhere is not looked for, but for these: another spelling of this
 * queue's path, a relative path (the queue's own directory is taken for its
 * beginning) and a path that leads nowhere (as if the queue had been moved).
 * NULL, or why it is refused.
 */
char const *jobdata_locate(struct jobdata *data, struct jobqueue const *queue,
                           char const *path, char *out);

/*
 * Open a located file for reading; *bytes is its size. Returns the descriptor;
 * or -1 and *reason says why not: gone, no regular file, or its directory must
 * not be written, so that it could not be removed; NULL if it may be in order,
 * but this machine is short of something: errno.
 */
int jobdata_open(struct jobdata *data, struct jobqueue *queue,
                 char const *located, uint64_t *bytes, char const **reason);

/* Remove a located file. 0, or -1 with errno; gone is 0. */
int jobdata_remove(struct jobdata *data, struct jobqueue *queue,
                   char const *located);

/* Close all directories: they may be others now. looks_only stays. */
void jobdata_close(struct jobdata *data);

#endif
