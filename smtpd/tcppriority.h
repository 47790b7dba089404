/*
 * The priority of a server that must not fall behind those it starts. It is
 * raised only while that is so: a server that is woken at once for each client
 * costs a tenth more.
 */
#ifndef TRAPLINE_SMTPD_TCPPRIORITY_H
#define TRAPLINE_SMTPD_TCPPRIORITY_H

#include <stdbool.h>

#define TCPPRIORITY_HURRY (-10) /* as setpriority(2) */

/* Once, as root: see to it that it can be raised later by any user. Without
 * root it may stay as it is. */
void tcppriority_begin(void);

/* Raise it, where it is not that high already; or have it as it was. */
void tcppriority_set(bool hurry);

/* In a child: priority and limit as they were in the beginning. */
void tcppriority_restore(void);

#endif
