/*
 * A message that is kept until all of it is there: in memory while it is small,
 * then in a file without a name, so that nothing is left of it however the
 * program ends.
 */
#ifndef TRAPLINE_LIB_SPOOL_H
#define TRAPLINE_LIB_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#define SPOOL_BUFFER 65536 /* bytes kept in memory */

struct spool {
  char const *directory;
  int fd;         /* -1: there is no file yet */
  char *map;      /* of the file, or NULL */
  uint64_t most;  /* bytes it takes */
  uint64_t bytes; /* in it */
  uint64_t start; /* where in the message the buffer is */
  size_t held;    /* bytes in the buffer */
  char buffer[SPOOL_BUFFER];
};

/* Where files go unless the operator says otherwise: $TMPDIR, else /tmp. */
char const *spool_default(void);

/* Before the first use. The directory (the caller's) is where its file goes;
 * NULL: spool_default(). */
void spool_begin(struct spool *spool, char const *directory, uint64_t most);

/* Forget what is in it, and give the file's space back. Keeps errno. */
void spool_clear(struct spool *spool);

/* Add n bytes. 0, or -1 with errno: EFBIG if they would be more than it takes;
 * it is then as it was. After another error only spool_clear() is allowed. */
int spool_add(struct spool *spool, char const *bytes, size_t n);

/* Three ways to what is in it. After the first of them nothing can be added
 * until spool_clear(). */

/* From byte at on: *bytes points to n of them, n at least 1, and is valid until
 * the next call. 1, 0 at the end, -1 with errno. */
int spool_get(struct spool *spool, uint64_t at, char const **bytes, size_t *n);

/* As a file, at its start. The descriptor, which stays the spool's, or -1 with
 * errno. */
int spool_file(struct spool *spool);

/* As one text of spool->bytes bytes, not NUL-terminated, valid until
 * spool_clear(); or NULL with errno. */
char const *spool_text(struct spool *spool);

#endif
