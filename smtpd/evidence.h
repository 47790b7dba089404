/*
 * A session's transcript, trapline-evidence(5), as a pull parser: bytes in,
 * pieces of records out. Pure. No record is held as a whole.
 */
#ifndef TRAPLINE_SMTPD_EVIDENCE_H
#define TRAPLINE_SMTPD_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVIDENCE_TEXT_MAX 1024 /* bytes in a piece of text */
#define EVIDENCE_DIGITS_MAX 18 /* in a number */

/* All zero at the start. */
struct evidence {
  int state;
  bool has_begun; /* V was there */
  bool has_ended; /* E was */
  bool is_first;  /* piece of its record */
  uint64_t line;  /* LFs so far */
  uint64_t at;    /* the line that the record began in, from 1 */
  char kind;
  uint64_t ms, number;
  unsigned int digits;
  unsigned int hex;
  uint64_t left; /* of counted bytes */
  size_t text_used;
  char text[EVIDENCE_TEXT_MAX];
};

struct evidence_piece {
  char kind; /* the record's letter */
  bool first, last;
  uint64_t line; /* of the file, from 1, that the record began in */
  uint64_t ms;
  uint64_t number; /* V, P, B: what the line says */
  char const *bytes;
  size_t n;
};

enum evidence_result {
  EVIDENCE_MORE,  /* all input was taken */
  EVIDENCE_PIECE, /* valid until the next call, as long as in is */
  EVIDENCE_BAD,   /* no transcript, at line reader->at; reads no more */
};

/*
 * Take some of the n bytes at in, *taken. Each record gives at least one piece;
 * P, T, V and X give one without bytes, of C, D, E and S the bytes are decoded.
 * Ends anywhere: a transcript may be cut short.
 */
enum evidence_result evidence_next(struct evidence *reader, char const *in,
                                   size_t n, size_t *taken,
                                   struct evidence_piece *piece);

/* Write n bytes as a text has them to out, which has room for 4 * n; returns
 * how many these are. */
size_t evidence_escape(char const *bytes, size_t n, char *out);

#endif
