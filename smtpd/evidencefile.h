/* Reading a transcript from a file, in pieces; evidence.h. Several may read
 * one file, each at its own place. */
#ifndef TRAPLINE_SMTPD_EVIDENCEFILE_H
#define TRAPLINE_SMTPD_EVIDENCEFILE_H

#include <stddef.h>
#include <stdint.h>

#include "smtpd/evidence.h"

/* fd: a regular file; all else zero at the start. */
struct evidencefile {
  int fd;
  uint64_t offset;
  size_t from, to; /* of what was read and not yet taken */
  struct evidence reader;
  struct evidence_piece kept; /* of the client's bytes, not yet handed out */
  char buffer[16384];
};

enum evidencefile_result {
  EVIDENCEFILE_PIECE,
  EVIDENCEFILE_END,
  EVIDENCEFILE_BAD,   /* no transcript, at line reader.at */
  EVIDENCEFILE_ERROR, /* see errno */
};

/* The next piece, valid until the next call. */
enum evidencefile_result evidencefile_next(struct evidencefile *file,
                                           struct evidence_piece *piece);

/*
 * What the client sent: of the records C, B and D. Passes over all others. Not
 * to be mixed with evidencefile_next().
 *
 * _peek: the letter of the record that the next bytes are of. _bytes: copies
 * what comes next, size bytes at most, to out; *n is 0 if it fails.
 */
enum evidencefile_result evidencefile_peek(struct evidencefile *file,
                                           char *kind);
enum evidencefile_result evidencefile_bytes(struct evidencefile *file,
                                            char *out, size_t size, size_t *n);

#endif
