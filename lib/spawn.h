/* Starting and ending the processes of a pipeline. */
#ifndef TRAPLINE_LIB_SPAWN_H
#define TRAPLINE_LIB_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#define SPAWN_MAX 32 /* processes in a pipeline */

/*
 * Start stages 0..n-1, each stage's standard output being the next one's
 * standard input, all in one process group, with default signals and without
 * the environment variables that tell of the client (UCSPI's). *head: the
 * write end of the first one's input; *tail: the read end of the last one's
 * output; both close-on-exec and non-blocking. pids: room for n; n: 1 to
 * SPAWN_MAX. Returns n; or, if a stage cannot be started, its index, with
 * errno, and nothing left running or open.
 */
size_t spawn_pipeline(char **const *stages, size_t n, pid_t *pids, int *head,
                      int *tail);

/* Wait at most two seconds for each of n processes to end, then SIGKILL their
 * group. status[i]: as from waitpid. */
void spawn_reap(pid_t const *pids, size_t n, int *status);

#endif
