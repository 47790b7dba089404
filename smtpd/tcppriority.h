/*
 * The priority of a server that must not fall behind those it starts. It is
 * raised only while that is so: to be woken for each client at once costs a
 * tenth more.
 */
#ifndef TRAPLINE_SMTPD_TCPPRIORITY_H
#define TRAPLINE_SMTPD_TCPPRIORITY_H

#include <stdbool.h>

#define TCPPRIORITY_HURRY (-10) /* as setpriority(2) */

/* Once, while we are root: see to it that we may raise it later. Who is not
 * root does without. */
void tcppriority_begin(void);

/* Raise it, or have it as it was. */
void tcppriority_set(bool hurry);

/* In a child: priority and limit as they were in the beginning. */
void tcppriority_restore(void);

#endif
