/*
 * The directories of one directory queue, found once and kept open;
 * trapline-queue(5).
 *
 * On failure functions return -1, leave errno, and failure says what was not
 * possible, so that the caller can log "unable to <action> <path>".
 */
#ifndef TRAPLINE_LIB_JOBQUEUE_H
#define TRAPLINE_LIB_JOBQUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define JOBQUEUE_PATH_MAX 3900 /* bytes in the queue's absolute path */
#define JOBQUEUE_FILE_MAX 4095 /* bytes in the path of a file in it */
#define JOBQUEUE_LEAVES 128    /* directories data/x/y kept open */

struct jobqueue_failure {
  char const *action; /* "open", "create", "sync"... */
  int error;          /* errno */
  char path[JOBQUEUE_FILE_MAX + 1];
};

struct jobqueue_leaf {
  char first, second;
  int fd; /* 0: none */
};

struct jobqueue {
  char const *name;                    /* as it was given */
  char path[JOBQUEUE_PATH_MAX + 1];    /* absolute, links resolved */
  char watched[JOBQUEUE_FILE_MAX + 1]; /* name/queue */
  int root, tmp, data, queue, active;  /* descriptors; all -1 when closed */
  uint64_t opened;                     /* so many times */
  dev_t device;                        /* of queue/ */
  ino_t inode;
  struct jobqueue_failure failure;
  size_t leaves, most_leaves; /* that are open, that may be */
  struct jobqueue_leaf leaf[JOBQUEUE_LEAVES];
};

/* Nothing is opened yet. name is kept, not copied. 0, or -1 with ENAMETOOLONG,
 * or with EINVAL if it is empty or holds a LF. */
int jobqueue_start(struct jobqueue *queue, char const *name);

/*
 * See that the queue is open and still the one that its name leads to; open it
 * anew if not. Costs one stat when it is. The directory itself must exist;
 * tmp, data, queue and active in it are made where they are missing. On failure
 * it is closed.
 */
int jobqueue_ready(struct jobqueue *queue);

/* Open the queue as it is: nothing is made, and of tmp, data, queue and active
 * those that are missing stay -1. 0 or -1. */
int jobqueue_look(struct jobqueue *queue);

/* Warn on standard error if directory cannot be one in which jobs were put: it
 * has no queue/, but other things. */
void jobqueue_doubt(char const *directory);

/* The same, but end with 100: nothing is to be made there. */
void jobqueue_insist(char const *directory);

void jobqueue_close(struct jobqueue *queue);

/* The directory for a data path ("data/H1/H2/NAME"), made where it is missing,
 * each new name in it on disk. Returns a descriptor, kept for the next such
 * path, or -1. */
int jobqueue_leaf(struct jobqueue *queue, char const *data_path);

/* The directory of this data path may have been removed: forget it. errno stays
 * as it is. */
void jobqueue_forget_leaf(struct jobqueue *queue, char const *data_path);

/* Open a directory in the queue's own, making it where it is missing. Returns a
 * descriptor, the caller's, or -1. */
int jobqueue_open(struct jobqueue *queue, char const *name);

/* Open a part anew, or make it, because it was removed. 0 or -1. */
int jobqueue_renew_tmp(struct jobqueue *queue);
int jobqueue_renew_active(struct jobqueue *queue);
int jobqueue_renew_queue(struct jobqueue *queue);

/* Note a failure for the log: errno, what was tried, and the file's path below
 * the queue, in two parts (the second may be empty). Returns -1. */
int jobqueue_fail(struct jobqueue *queue, char const *action,
                  char const *directory, char const *file);

#endif
