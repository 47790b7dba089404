/*
 * A message as SMTP's DATA sends it: lines end in CRLF, a dot at a line's start
 * is doubled, a line with a dot ends it. A CR, which SMTP allows nowhere else,
 * ends a line, with or without a LF after it. Pure.
 */
#ifndef TRAPLINE_DELIVER_SMTPBODY_H
#define TRAPLINE_DELIVER_SMTPBODY_H

#include <stdbool.h>
#include <stddef.h>

#define SMTPBODY_END_MAX 5 /* bytes that smtpbody_end() writes */

/* Room for what n bytes become. */
#define SMTPBODY_ROOM(n) (2 * (n))

/* All zero at first. */
struct smtpbody {
  bool in_line;
  bool seen_cr; /* the last byte; a LF after it adds nothing */
};

/* Write what n bytes become to out; returns how many. */
size_t smtpbody_piece(struct smtpbody *body, char const *bytes, size_t n,
                      char *out);

/* The message has ended; write what ends it. */
size_t smtpbody_end(struct smtpbody *body, char *out);

#endif
