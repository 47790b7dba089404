/*
 * Who works on a job: locks in active/, the rules of trapline-queue(5).
 *
 * A locker has one file in tmp/ for each job that it may have at a time,
 * written once and linked to active/J for job J. A job is ours as long as
 * active/J is that file.
 */
#ifndef TRAPLINE_LIB_JOBLOCK_H
#define TRAPLINE_LIB_JOBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/joblist.h"
#include "lib/jobqueue.h"

#define JOBLOCK_HOST_MAX 255
#define JOBLOCK_TEXT_MAX (JOBLOCK_HOST_MAX + 24)
#define JOBLOCK_FUDGE_S 256

struct joblock {
  struct joblock *next; /* of the same locker */
  int fd;               /* of the file in tmp; -1: none */
  dev_t device;
  ino_t inode;
  bool held;
  bool empty; /* the file: the disk was full */
  char job[JOBLIST_NAME_MAX + 1];
  char control[JOBLIST_NAME_MAX + 1]; /* its control file, below queue/ */
  char file[JOBLOCK_HOST_MAX + 64];   /* in tmp */
  char robbed[2 * JOBLOCK_TEXT_MAX];  /* the lock that was taken over, "host
                                         pid"; empty: none was there */
};

/* What all locks of a process have in common. */
struct joblocker {
  char host[JOBLOCK_HOST_MAX + 1];
  pid_t pid;
  int64_t lifetime_s; /* a lock not touched for so long may be taken over */
  int64_t remote_s;   /* the same, of another host; 0: never */
  uint64_t seed;
  struct joblock *first;
};

enum joblock_result {
  JOBLOCK_TAKEN,
  JOBLOCK_BUSY,
  JOBLOCK_FAILED, /* queue->failure says why */
};

/* host: NULL for the host's own name. Lifetime 600 s, remote locks never taken
 * over. 0, or -1 with errno. */
int joblock_start(struct joblocker *locker, char const *host);

/* Read a lock's text: "host LF pid LF" and perhaps more. 1 and the host
 * (NUL-terminated, in place) and *pid (above 0), or 0. */
int joblock_parse(char *text, size_t n, pid_t *pid);

/* An empty lock becomes one of the locker's. */
void joblock_init(struct joblock *lock, struct joblocker *locker);

/* Make its file in tmp now, if there is none, so that a disk that is full by
 * the time of the first job does not matter. 0 or -1. */
int joblock_prepare(struct joblock *lock, struct joblocker const *locker,
                    struct jobqueue *queue);

/*
 * Lock a job, named as in a joblist. control: a descriptor of its control file,
 * on which flock(2) decides between two who take over the same lock.
 */
enum joblock_result joblock_take(struct joblock *lock, struct joblocker *locker,
                                 struct jobqueue *queue, char const *name,
                                 int control);

/* Whether the job that was taken is still ours. */
bool joblock_owns(struct joblock const *lock, struct jobqueue const *queue);

/* Show that we are alive. Whether the job is still ours. */
bool joblock_beat(struct joblock const *lock, struct jobqueue const *queue);

/* Unlock the job, if it is still ours. 0; or -1 if the lock is there still. */
int joblock_drop(struct joblock *lock, struct jobqueue *queue);

/* The file in tmp is gone or another queue's: the next lock makes a new one. */
void joblock_forget(struct joblock *lock);

/* Remove the file in tmp. The lock must not be held. */
void joblock_remove(struct joblock *lock, struct jobqueue const *queue);

#endif
