/*
 * The stream as a stage sees it: lines and counted bytes in on descriptor 0,
 * out on descriptor 1, both blocking. What was put is written when more input
 * is needed, so the commands of one packet travel together.
 *
 * Output errors are remembered and come back from the next read, so nothing
 * that is put needs a check.
 */
#ifndef TRAPLINE_LIB_STREAM_H
#define TRAPLINE_LIB_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_LINE_MAX 8192 /* bytes in a line, its LF counted */

/* What stream_widen() makes the pipe hold that a body comes through. */
#define STREAM_WIDE_BYTES 262144

enum stream_result {
  STREAM_OK,
  STREAM_END,       /* end of file between two lines */
  STREAM_TRUNCATED, /* end of file in a line or in counted bytes */
  STREAM_TOO_LONG,  /* a line over STREAM_LINE_MAX */
  STREAM_READ_ERROR,
  STREAM_WRITE_ERROR, /* the stage behind is gone */
};

/* Read a line into line (room for STREAM_LINE_MAX bytes); *n is its length
 * without the LF. errno is set for the two errors. */
enum stream_result stream_line(char *line, size_t *n);

/* Get the next piece of at most most bytes (not 0), valid until the next read.
 * Never STREAM_END. */
enum stream_result stream_piece(uint64_t most, char const **bytes, size_t *n);

/* Put the next n bytes of the input, which are counted ones, without a look at
 * them. Never STREAM_END. */
enum stream_result stream_pass(uint64_t n);

void stream_put(char const *bytes, size_t n);
void stream_put_line(char const *line, size_t n); /* and LF */
void stream_put_chunk(uint64_t n, bool last);     /* BDAT n [LAST] and LF */
/* XNOTE key=value, the value put in xtext; over 1024 bytes: nothing. */
void stream_put_note(char const *key, char const *value);

/* A chunk of so many bytes is to come: let the pipe hold more at once, if it is
 * a large one, until the body's end. */
void stream_widen(uint64_t bytes);
void stream_end_body(void);

/* Write what was put. */
enum stream_result stream_flush(void);

#endif
