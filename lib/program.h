/*
 * One run of a program that gets a message on descriptor 0, and how it ended.
 * It is the leader of a process group of its own, all of which gets SIGTERM at
 * the time limit, and SIGKILL two seconds later.
 */
#ifndef TRAPLINE_LIB_PROGRAM_H
#define TRAPLINE_LIB_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/spool.h"

#define PROGRAM_SAID_MAX 200 /* bytes kept */

struct program {
  char *const *arguments; /* NULL at the end; the first is looked for in PATH */
  unsigned int limit_s;
  int in;               /* its descriptor 0 */
  int out;              /* its descriptor 1, unless it is -1 */
  struct spool *output; /* or NULL */

  int status;         /* as from waitpid */
  bool timed_out;     /* and was killed */
  char const *action; /* what was not possible */
  size_t said_bytes;
  char said[PROGRAM_SAID_MAX];
};

/* Call once, before all else: SIGCHLD is blocked from then on, and SIGTERM,
 * SIGINT and SIGHUP end the program that runs and this process with 111. */
void program_prepare(void);

/*
 * Run it to its end, which comes with that of this process, too. It need not
 * read its input.
 *
 * With an output, which must be empty, out is not looked at: all that it writes
 * to descriptor 1 goes there. The end is when it has exited and nobody holds
 * that descriptor any more; what it left running is then killed. More than
 * output takes is an error.
 *
 * Without, the first of what it writes to descriptor 2, and to 1 if out is -1,
 * is in said, and what it left running is let be.
 *
 * 0; or -1 with action and errno, and nothing runs. A program that cannot be
 * executed says so on descriptor 2 and exits 111.
 */
int program_run(struct program *program);

#endif
