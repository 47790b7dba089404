/*
 * The way of a job that was put aside back into a queue; trapline-queue(5).
 *
 * It becomes what it was when it came in: lines of metadata whose keys begin
 * with "dq." are taken out.
 *
 *   return  DIRECTORY/J written anew without them; then renamed to queue/J
 *   copy    put into another queue as a new job, by all rules of that; then
 *           DIRECTORY/J and the data file removed
 *
 * At no point is a job in no place. One that was copied may be in both if the
 * process is killed.
 */
#ifndef TRAPLINE_DELIVER_ASIDE_H
#define TRAPLINE_DELIVER_ASIDE_H

#include <stdbool.h>

#include "lib/jobtaker.h"
#include "lib/jobwriter.h"

enum aside_result {
  ASIDE_DONE,
  ASIDE_GONE, /* there is no such job */
  ASIDE_LEFT, /* it stays where it is, for aside.reason */
};

#define ASIDE_REASON_MAX (JOBQUEUE_FILE_MAX + 256)

struct aside {
  char const *name; /* of the directory in the queue, the caller's */
  int directory;    /* locked; -1: there is none */
  struct jobtaker taker;
  struct jobwriter writer; /* of the other queue; base: the last job in it */
  char const *reason;
  char reason_text[ASIDE_REASON_MAX + 1];
  char file[JOBLIST_NAME_MAX + 1]; /* the job that was read */
  char const *job;                 /* in file: its name in queue/ */
  struct job in_hand;
};

/* Whether a queue may have jobs put aside in a directory of this name. */
bool aside_is_name(char const *name);

/* name is set. target: another queue, or NULL. As jobtaker_start(). */
int aside_start(struct aside *aside, char const *directory, char const *target);

/* Open the queue, and lock the directory against all others who bring jobs
 * back; waits for them. dry: nothing is made. 1; 0 if there is no such
 * directory; -1 and taker.queue.failure says why. */
int aside_open(struct aside *aside, bool dry);

/* Read a job, and see that all of it is there. */
enum aside_result aside_read(struct aside *aside, char const *file);

/* Bring back the job that was read. */
enum aside_result aside_return(struct aside *aside);
enum aside_result aside_copy(struct aside *aside);

#endif
