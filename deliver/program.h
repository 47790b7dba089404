/*
 * One run of a program that gets a message on descriptor 0: how it ended, and
 * the first of what it said. It is the leader of a process group of its own,
 * all of which ends at the time limit.
 */
#ifndef TRAPLINE_DELIVER_PROGRAM_H
#define TRAPLINE_DELIVER_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM_OUTPUT_MAX 200 /* bytes kept */

struct program {
  char **arguments; /* searched for in PATH */
  char **environment;
  int in;  /* its descriptor 0 */
  int out; /* its descriptor 1; -1: its output, as descriptor 2 is */
  unsigned int limit_s;

  int status;     /* as from waitpid */
  bool timed_out; /* and was killed */
  size_t output_bytes;
  char output[PROGRAM_OUTPUT_MAX]; /* what it wrote first */
};

/* Call once, before all else: SIGCHLD is blocked from then on, and SIGTERM,
 * SIGINT and SIGHUP end the program that runs and this process with 111. */
void program_prepare(void);

/* Run it to its end. 0, or -1 if there is no process or pipe for it. A program
 * that cannot be executed says so in its output and exits 111. */
int program_run(struct program *program);

#endif
