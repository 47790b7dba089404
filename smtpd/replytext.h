/* One reply, as a transcript keeps it or a server says it: escaped lines. Pure.
 */
#ifndef TRAPLINE_SMTPD_REPLYTEXT_H
#define TRAPLINE_SMTPD_REPLYTEXT_H

#include <stdbool.h>
#include <stddef.h>

#define REPLYTEXT_LINES_MAX 100
#define REPLYTEXT_MAX 32768 /* bytes, escaped, LFs counted */

/* All zero: none yet. */
struct replytext {
  unsigned int lines;
  bool whole;    /* its last line was there */
  bool too_long; /* nothing more is kept */
  char start[4]; /* of its last line */
  size_t start_bytes;
  size_t used;
  char text[REPLYTEXT_MAX];
};

/* Add some of a line, without its end. */
void replytext_add(struct replytext *reply, char const *bytes, size_t n);

/* The line is over. It is the reply's last, unless "-" stands behind its code,
 * or the reply has become too long. */
void replytext_end_line(struct replytext *reply);

/* Whether both have one code and as many lines; exact: the same text. */
bool replytext_same(struct replytext const *a, struct replytext const *b,
                    bool exact);

void replytext_clear(struct replytext *reply);

#endif
