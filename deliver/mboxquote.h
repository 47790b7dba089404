/*
 * A message as an mbox file holds it, in its reversible form (mboxrd): each
 * line that is "From " behind any number of ">" gets one more ">"; the last
 * line has an end; an empty line stands after it. Pure.
 */
#ifndef TRAPLINE_DELIVER_MBOXQUOTE_H
#define TRAPLINE_DELIVER_MBOXQUOTE_H

#include <stdbool.h>
#include <stddef.h>

#define MBOXQUOTE_END_MAX 6 /* bytes that mboxquote_end() writes */

/* Room for what n bytes become. */
#define MBOXQUOTE_ROOM(n) (2 * (n) + 5)

/* All zero at first. */
struct mboxquote {
  bool in_line;   /* the line's start is past */
  bool has_line;  /* something of the line was seen */
  size_t matched; /* bytes of "From " that are held back */
};

/* Write what n bytes of the message become to out; returns how many. */
size_t mboxquote_piece(struct mboxquote *quote, char const *bytes, size_t n,
                       char *out);

/* The message has ended; write what is left. */
size_t mboxquote_end(struct mboxquote *quote, char *out);

#endif
