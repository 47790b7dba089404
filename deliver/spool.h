/*
 * A message kept in a file without a name until all of it is there: nothing is
 * left of it however the program ends.
 */
#ifndef TRAPLINE_DELIVER_SPOOL_H
#define TRAPLINE_DELIVER_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#define SPOOL_BUFFER 65536

struct spool {
  int fd; /* -1: closed */
  uint64_t bytes;
  size_t used;
  char buffer[SPOOL_BUFFER]; /* not yet written */
};

/* Where spool files go unless the operator says otherwise: $TMPDIR, else
 * /tmp. */
char const *spool_default(void);

/* Open an empty one in directory; *spool need not be set before. 0 or -1. */
int spool_open(struct spool *spool, char const *directory);

/* Add n bytes. 0 or -1. */
int spool_write(struct spool *spool, char const *bytes, size_t n);

/* Write what is in the buffer and go to the start of the file. 0 or -1. */
int spool_rewind(struct spool *spool);

/* Close it, if it is open. Keeps errno. */
void spool_close(struct spool *spool);

#endif
