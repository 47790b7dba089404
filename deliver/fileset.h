/* Many file names, some of them marked. */
#ifndef TRAPLINE_DELIVER_FILESET_H
#define TRAPLINE_DELIVER_FILESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: empty. */
struct fileset {
  size_t count, marked;
  size_t room, used, size;
  uint32_t *offset; /* in bytes; sorted by name after fileset_sort() */
  char *bytes;      /* the mark, the name and NUL */
  size_t next;
};

/* Put in a name, not marked. 1, or 0 if there is no memory. */
int fileset_add(struct fileset *set, char const *name);

/* All names are in. */
void fileset_sort(struct fileset *set);

/* Mark a name; nothing if it is not in it. */
void fileset_mark(struct fileset *set, char const *name);

/* The next name, in order, that is not marked; NULL: no more. */
char const *fileset_next_unmarked(struct fileset *set);

/* Free all memory. */
void fileset_end(struct fileset *set);

#endif
