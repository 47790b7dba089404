/* What is said when a message cannot be stored, or a queue not be used. */
#ifndef TRAPLINE_DELIVER_STORAGE_H
#define TRAPLINE_DELIVER_STORAGE_H

/* The answer to the client for this errno, always 4xx. */
char const *storage_answer(int error);

/* What the operator does about this errno, for the log. Never NULL. */
char const *storage_advice(int error);

struct log;

/* Add what was tried, where, why it failed, and what to do; and write the line.
 */
void storage_log(struct log *log, char const *action, char const *path,
                 int error);

#endif
