/*
 * How a program that stores messages ends by SIGTERM, SIGINT or SIGHUP: what is
 * in hand is removed, and it exits with EXIT_TEMPORARY. But a commit, once
 * begun, is finished and answered.
 */
#ifndef TRAPLINE_DELIVER_ENDING_H
#define TRAPLINE_DELIVER_ENDING_H

#include <stdbool.h>

/* Catch the signals, and unblock them. discard: removes what is in hand, in a
 * signal handler; NULL: there is nothing to be removed. */
void ending_catch(void (*discard)(void));

/* From now on a signal waits. */
void ending_hold(void);

/* The commit is over, and who is to hear of it has a second to take that. */
void ending_answer(void);

/* What was put into the stream goes out, and a signal that has waited ends the
 * program. Without ending_hold() it does nothing. */
void ending_release(void);

/* Whether a signal waits. */
bool ending_is_due(void);

#endif
