/*
 * The header of a message, held back until it is complete, and its fields.
 * Lines end in LF, as in the stream; a CR before it is no part of a line.
 * Pure.
 */
#ifndef TRAPLINE_FILTERS_HEADER_H
#define TRAPLINE_FILTERS_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#define HEADER_MAX 65536 /* bytes held; more counts as body */

struct header {
  bool complete; /* its empty line is there, or HEADER_MAX bytes are */
  size_t used;
  char text[HEADER_MAX]; /* with the empty line */
};

/* One field. All point into the header. */
struct header_field {
  char const *name;
  size_t name_bytes;
  char const *value; /* what follows the colon, as it came: folds and all */
  size_t value_bytes;
};

void header_start(struct header *header);

/* Take bytes until the header is complete. Returns how many it took: less than
 * n only if it is complete now. */
size_t header_feed(struct header *header, char const *bytes, size_t n);

/* The next field; *at is where the walk is, 0 at its start. Lines that are no
 * field, with what is folded under them, are passed over. false at the end. */
bool header_next(struct header const *header, size_t *at,
                 struct header_field *field);

/* Whether the field has this name, in any case. */
bool header_is(struct header_field const *field, char const *name);

/*
 * The value as rules see it, into out (room for size bytes, at least 1),
 * NUL-terminated: unfolded, encoded words (RFC 2047) decoded, whatever their
 * charset, ASCII letters in lower case; control characters are blanks, and
 * there is one blank where there were several and none at the ends. What does
 * not fit is cut. Returns its length.
 */
size_t header_value(struct header_field const *field, char *out, size_t size);

#endif
