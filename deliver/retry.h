/*
 * When a job that was not done is tried again; dq-run(8). Pure.
 *
 * A job that waits so is DUE.J in deferred/, DUE being 12 digits of seconds
 * since 1970, and its state are lines of its metadata.
 */
#ifndef TRAPLINE_DELIVER_RETRY_H
#define TRAPLINE_DELIVER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/jobrecord.h"

#define RETRY_DIRECTORY "deferred"
#define RETRY_TRIES "dq.tries" /* so often it was tried */
#define RETRY_FIRST "dq.first" /* when first, seconds since 1970 */
#define RETRY_LAST "dq.last"   /* what was answered last */
#define RETRY_FAILED "dq.failed"
#define RETRY_REFUSED "dq.refused" /* recipients, for the end; dq-run -r */
#define RETRY_NAME_MAX 255

/* What the rules are where nothing else is said. */
#define RETRY_FIRST_S 60
#define RETRY_MOST_S 3600
#define RETRY_TRIES_MOST 20
#define RETRY_AGE_S 432000

struct retry_rules {
  int64_t first_s; /* from the first try to the second; then twice as much... */
  int64_t most_s;  /* ... and never more than that */
  uint64_t tries;  /* at most */
  int64_t age_s;   /* since the first try, at most */
};

struct retry {
  uint64_t tries; /* the one that has just failed counted */
  int64_t began_s;
  int64_t due_s; /* the next try */
};

/* The state of a job whose try failed at now_s. Whether it is tried again. */
bool retry_next(struct retry_rules const *rules, struct jobrecord const *record,
                int64_t now_s, struct retry *retry);

/* The name in deferred/ into out (room for RETRY_NAME_MAX + 1). */
void retry_name(int64_t due_s, char const *job, char *out);

/* The job of such a name, and when it is due; NULL if it is none. */
char const *retry_job(char const *name, int64_t *due_s);

#endif
