/*
 * The way of a job out of a directory queue; trapline-queue(5).
 *
 *   take     locked, its control file read, its data file open
 *   finish   control file, data file, lock removed
 *   release  lock removed; the job waits as before
 *   move     the job put aside, with changed metadata, in another directory of
 *            the queue, and unlocked; return brings it back
 *
 * A job that is not ours any more is left alone by all of them.
 * On failure queue.failure says what was not possible.
 */
#ifndef TRAPLINE_LIB_JOBTAKER_H
#define TRAPLINE_LIB_JOBTAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/jobdata.h"
#include "lib/joblock.h"
#include "lib/jobqueue.h"
#include "lib/jobrecord.h"

#define JOBTAKER_NAME_MAX 200 /* bytes in a job's name */
#define JOBTAKER_REMEMBERED 1024
#define JOBTAKER_QUIET_S 300 /* a damaged job is not looked at again */

enum jobtaker_result {
  JOBTAKER_TAKEN,
  JOBTAKER_GONE,    /* there is no such job any more */
  JOBTAKER_BUSY,    /* somebody else has it */
  JOBTAKER_DAMAGED, /* reason says how; it stays where it is, unlocked */
  JOBTAKER_KNOWN,   /* damaged, and that was said a while ago */
  JOBTAKER_FAILED,
};

enum jobtaker_end {
  JOBTAKER_DONE,
  JOBTAKER_LOST,      /* the job is somebody else's: nothing was touched */
  JOBTAKER_END_FAILED /* the job is where it was, but not locked by us; or it
                         is finished, and something of it could not go */
};

struct jobtaker_damaged {
  uint64_t hash; /* of the name */
  int64_t changed_s, changed_ns;
  int64_t until_s;
};

struct jobtaker {
  struct jobqueue queue;
  struct joblocker locker;
  struct jobdata data;
  uint64_t opened; /* the queue, when the rest was found */
  size_t damaged;  /* entries ever made in */
  struct jobtaker_damaged remembered[JOBTAKER_REMEMBERED];
  char const *reason;
};

/* A job in hand, or room for one. */
struct job {
  struct joblock lock; /* lock.job: its name */
  int data_fd;         /* -1: none */
  uint64_t data_bytes; /* the file's size */
  bool longer;         /* than the control file says */
  char data_path[JOBDATA_PATH_MAX];
  struct jobrecord record; /* points into text */
  char text[JOBRECORD_TEXT_MAX + 1];
};

/* As jobqueue_start() and joblock_start(). */
int jobtaker_start(struct jobtaker *taker, char const *directory,
                   char const *host);

/* See that the queue is open, is the one that its name leads to, and that its
 * directories may be written. 0 or -1. */
int jobtaker_ready(struct jobtaker *taker);

/* Make a zeroed job room of this taker. */
void jobtaker_init(struct jobtaker *taker, struct job *job);

/* Read the open control file of the job called name, and find where its data
 * must be. NULL, or what is wrong: errno is 0 if that is the job. */
char const *jobtaker_read(struct jobtaker *taker, struct job *job,
                          char const *name, int control);

/* name: as of a joblist. */
enum jobtaker_result jobtaker_take(struct jobtaker *taker, struct job *job,
                                   char const *name);

enum jobtaker_end jobtaker_finish(struct jobtaker *taker, struct job *job);
enum jobtaker_end jobtaker_release(struct jobtaker *taker, struct job *job);

/*
 * Put the job into directory as name, its metadata changed as
 * jobrecord_format() says; the directory is made where it is missing. At no
 * point is the job in both places or in none.
 */
struct jobtaker_move {
  char const *directory, *name;
  struct metadata const *set;
  size_t count;
};
enum jobtaker_end jobtaker_move(struct jobtaker *taker, struct job *job,
                                struct jobtaker_move const *move);

/* Put directory/name back into queue/ as job. 1; 0 if it is not there or there
 * is such a job already; or -1. Only one process may do so at a time. */
int jobtaker_return(struct jobtaker *taker, int directory, char const *name,
                    char const *job);

#endif
