/*
 * A message that is kept until it is judged: in memory while it is small, then
 * in a file in $TMPDIR, else /tmp, that has no name.
 */
#ifndef TRAPLINE_FILTERS_SPOOL_H
#define TRAPLINE_FILTERS_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#define SPOOL_BUFFER 65536 /* bytes kept in memory */

struct spool {
  int fd;         /* -1: there is no file yet */
  uint64_t most;  /* bytes it takes */
  uint64_t bytes; /* in it */
  uint64_t start; /* where in the message the buffer is */
  size_t held;    /* bytes in the buffer */
  char buffer[SPOOL_BUFFER];
};

/* Before the first use. */
void spool_begin(struct spool *spool, uint64_t most);

/* Forget what is in it, and give the file's space back. */
void spool_clear(struct spool *spool);

/* Add n bytes. 1, or 0 with errno: EFBIG if they would be more than it takes.
 * After 0, only spool_clear is allowed. */
int spool_add(struct spool *spool, char const *bytes, size_t n);

/*
 * What is in it from byte at on: *bytes points to n of them, n at least 1, and
 * is valid until the next call. 1, 0 at the end, -1 with errno. After the first
 * call nothing can be added.
 */
int spool_get(struct spool *spool, uint64_t at, char const **bytes, size_t *n);

#endif
