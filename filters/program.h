/* Running a program on one message: its standard input is a spool, its standard
 * output another. */
#ifndef TRAPLINE_FILTERS_PROGRAM_H
#define TRAPLINE_FILTERS_PROGRAM_H

#include "filters/spool.h"

#define PROGRAM_PROBLEM 128 /* room for a problem */

struct program {
  char *const *arguments; /* NULL at the end; the first is looked for in PATH */
  unsigned int seconds;   /* from start to exit */
  struct spool *in;
  struct spool *out; /* cleared; its limit is the program's */
  char problem[PROGRAM_PROBLEM];
};

/*
 * Run it, as the leader of a process group that is killed when this returns,
 * whatever the program left behind; it dies with this process. It need not
 * read all of its input. Returns its exit code, and all that it has put out is
 * in *out; or -1, and problem says why: it timed out, was killed by a signal,
 * said more than *out takes, or could not be started or talked to.
 */
int program_run(struct program *program);

#endif
