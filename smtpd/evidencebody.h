/* Which bytes of a transcript are of which message. Pure. */
#ifndef TRAPLINE_SMTPD_EVIDENCEBODY_H
#define TRAPLINE_SMTPD_EVIDENCEBODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtpd/evidence.h"

/* Bytes of a command that are looked at. */
#define EVIDENCEBODY_COMMAND_MAX 63

/* All zero at the start. */
struct evidencebody {
  uint64_t messages; /* that have begun */
  bool in_body;      /* bytes have come since the last command */
  bool in_chunks;    /* a BDAT was there, and none with LAST */
  bool is_chunk;     /* the last command was BDAT */
  bool is_whole;     /* the last command has come to its end */
  size_t used;
  char command[EVIDENCEBODY_COMMAND_MAX + 1];
};

/*
 * To be called with each piece of the transcript in turn. The number of the
 * message, from 1, that piece->bytes are of; 0: of none. What follows a command
 * is one message, chunks that follow each other up to LAST are one.
 */
uint64_t evidencebody_see(struct evidencebody *body,
                          struct evidence_piece const *piece);

#endif
