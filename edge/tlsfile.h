/* A file that is read anew when it has changed. */
#ifndef TRAPLINE_EDGE_TLSFILE_H
#define TRAPLINE_EDGE_TLSFILE_H

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* Which file it is, and of when; all zero: none. */
struct tlsfile {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec changed;
};

/* 1, or 0 if it is not there. */
int tlsfile_stat(char const *path, struct tlsfile *file);

int tlsfile_is_same(struct tlsfile const *a, struct tlsfile const *b);

/* Read a regular file of at most size bytes. Returns NULL, or what is wrong.
 */
char const *tlsfile_read(char const *path, char *out, size_t size, size_t *n);

#endif
