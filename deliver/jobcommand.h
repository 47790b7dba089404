/*
 * A job's data file as the last argument of a command; dq-deque(1),
 * dq-server(1). One job at a time, in order.
 */
#ifndef TRAPLINE_DELIVER_JOBCOMMAND_H
#define TRAPLINE_DELIVER_JOBCOMMAND_H

#include <stdbool.h>

#include "deliver/worker.h"

struct jobcommand {
  struct worker worker; /* without slots */
  struct slot slot;     /* of the job in hand; it never has a pipeline */
  int signals;          /* descriptor */
  char **command;       /* NULL-terminated; the last word is the data file */
  size_t words;         /* before that */
  char path[JOBQUEUE_FILE_MAX + 1 + JOBDATA_PATH_MAX];
};

/* Use a directory queue, and trap signals; all zero before. Exits with 111 and
 * a message if that cannot be. command: NULL-terminated, and moved one place to
 * the front, onto what is before it. */
void jobcommand_start(struct jobcommand *self, char const *directory,
                      char **command);

/* Take the next job, of those that nobody has, and put the path of its data
 * file behind the command. Whether there was one; trouble is logged, and
 * worker.paused_ms is not 0 then. */
bool jobcommand_take(struct jobcommand *self);

/* Wait for a change of the queue, a signal, or what is due. */
void jobcommand_wait(struct jobcommand *self);

/*
 * Run the command and wait for its end; the job's lock is kept up meanwhile.
 * Whether it ended with 0; if not, standard error has why. worker.stopping: a
 * SIGTERM, SIGINT or SIGHUP came.
 */
bool jobcommand_run(struct jobcommand *self);

/* Remove what the queue has of this process. No job may be in hand. */
void jobcommand_end(struct jobcommand *self);

#endif
