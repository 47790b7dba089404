/*
 * The names of jobs waiting in a directory, read once into a batch that is
 * then used up, so that a job costs the same however many wait.
 *
 * Ordered: a batch holds the least names of the directory, sorted as bytes; the
 * next batch goes on behind it, and what arrives meanwhile is put in its place.
 * Not ordered: a batch is what comes next in the directory's own order.
 * With fan-out (lib/jobfan.h) the names "X/J" are in their places among the
 * others.
 */
#ifndef TRAPLINE_LIB_JOBLIST_H
#define TRAPLINE_LIB_JOBLIST_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/jobfan.h"

#define JOBLIST_NAME_MAX 215 /* bytes in a name; longer ones are not listed */
#define JOBLIST_BATCH 65536  /* names in a batch */

struct joblist_names {
  size_t count, room;
  uint32_t *offset; /* of each name in bytes */
  size_t used, size;
  char *bytes;
};

struct joblist {
  bool ordered;
  bool fans;       /* set it after joblist_start() to read fan-out as well */
  bool more;       /* the directory held names for a next batch */
  bool overflowed; /* names that arrived were dropped: load anew */
  size_t most;     /* names in a batch; JOBLIST_BATCH */
  size_t next;     /* in batch */
  struct joblist_names batch;
  struct joblist_names arrived; /* a heap, the least name first */
  uint64_t too_long;            /* names passed over in the last load */
  DIR *stream;                  /* not ordered: where the next batch begins */
  char place;                   /* X, while stream reads it, or 0 */
  char fan[JOBFAN_MAX + 1];     /* each X that was found */
  size_t fan_next;              /* to be read */
  char barred;                  /* an X that must not be read, or 0 */
  char after[JOBLIST_NAME_MAX + 1]; /* ordered: the same; empty: at the start */
  char name[JOBLIST_NAME_MAX + 1];
};

void joblist_start(struct joblist *list, bool ordered);

/* Read the next batch of a directory; what is left of the last one is dropped.
 * Names that do not begin with a digit, symbolic links and other directories
 * are passed over, and so is an X that must not be read. 0, or -1 with errno,
 * and nothing is in the list. */
int joblist_load(struct joblist *list, int directory);

/* The next batch begins at the directory's start. */
void joblist_rewind(struct joblist *list);

/* A name has come into the directory since the last load. */
void joblist_add(struct joblist *list, char const *name);

/* The next name, valid until the next call; NULL: all used up. A name may come
 * twice. */
char const *joblist_next(struct joblist *list);

/* Free all memory. */
void joblist_end(struct joblist *list);

#endif
