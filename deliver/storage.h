/* What a sink says when it cannot store a message. Pure. */
#ifndef TRAPLINE_DELIVER_STORAGE_H
#define TRAPLINE_DELIVER_STORAGE_H

/* The answer to the client for this errno, always 4xx. */
char const *storage_answer(int error);

/* What the operator does about this errno, for the log. Never NULL. */
char const *storage_advice(int error);

#endif
