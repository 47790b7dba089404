/*
 * Queues with fan-out, which Perl's module makes on request: control files lie
 * in queue/X/J, X one character, flat ones in queue/J; trapline-queue(5).
 * Locks and data files are those of J in both. Such a job is named "X/J" here.
 */
#ifndef TRAPLINE_LIB_JOBFAN_H
#define TRAPLINE_LIB_JOBFAN_H

#include <stdbool.h>

#define JOBFAN_CHARACTERS "0123456789abcdefghijklmnopqrstuvwxyz"
#define JOBFAN_MAX (sizeof JOBFAN_CHARACTERS - 1)

/* Whether this is the name of a directory of control files. */
bool jobfan_is_directory(char const *name);

/* J of "X/J", and of "J". */
char const *jobfan_base(char const *name);

/* The name under which a queue has job J, "J" or "X/J", into out (room for two
 * bytes more than J with its NUL). 1, or 0 if there is no such job. */
int jobfan_find(int queue, char const *job, char *out);

#endif
