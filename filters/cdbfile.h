/* Writing a constant database to its file, whole or not at all. */
#ifndef TRAPLINE_FILTERS_CDBFILE_H
#define TRAPLINE_FILTERS_CDBFILE_H

#include <sys/stat.h>

#include "lib/rulecdb.h"

#define CDBFILE_PATH_MAX 4096 /* bytes in a path */

/* What could not be done, after cdbfile_write(): "create", "write", ... */
struct cdbfile_failure {
  char const *action;
  char path[CDBFILE_PATH_MAX + 8];
};

/*
 * Replace the file at path by a finished database. Its group and mode are those
 * of the text that it was made from, so that who reads that can read this;
 * nobody but its owner writes it. 0; or -1 with *failure and errno, and the old
 * file is as it was, unless the directory could not be synced.
 */
int cdbfile_write(char const *path, struct rulecdb_maker const *maker,
                  struct stat const *text, struct cdbfile_failure *failure);

#endif
