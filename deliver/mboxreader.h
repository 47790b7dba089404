/*
 * The messages of an mbox file, one after the other. A message begins behind a
 * line that starts with "From ", at the file's start or behind an empty line,
 * which is no part of the message before; of "From " behind one or more ">" at
 * a line's start the first ">" is dropped (mboxrd).
 */
#ifndef TRAPLINE_DELIVER_MBOXREADER_H
#define TRAPLINE_DELIVER_MBOXREADER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/spool.h"

#define MBOXREADER_BUFFER 65536
#define MBOXREADER_SENDER_MAX 900

/* Set fd; all else zero. */
struct mboxreader {
  int fd;
  bool in_line;   /* from is in a line, not at its start */
  bool has_begun; /* a separator was read, whose message is to come */
  size_t from, to;
  uint64_t read;                          /* bytes of the file */
  char sender[MBOXREADER_SENDER_MAX + 1]; /* in the separator; may be empty */
  char buffer[MBOXREADER_BUFFER];
};

enum mboxreader_result {
  MBOXREADER_MESSAGE,
  MBOXREADER_END,
  MBOXREADER_NO_MBOX,     /* it does not begin with a separator */
  MBOXREADER_READ_ERROR,  /* errno says why */
  MBOXREADER_WRITE_ERROR, /* of the spool file; likewise */
};

/* Put the next message into the open, empty spool file; sender is then its
 * separator's. */
enum mboxreader_result mboxreader_next(struct mboxreader *reader,
                                       struct spool *spool);

#endif
