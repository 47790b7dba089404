#include "deliver/mboxreader.h"

#include <string.h>

#include <skalibs/allreadwrite.h>

static char const separator[] = "From ";
#define SEPARATOR_BYTES (sizeof separator - 1)
#define SHOWN 4096 /* bytes of a line that are looked at at once */

/* Have at least SHOWN bytes, or a line, or the end of the file in the buffer.
 * 1, 0 at the end, or -1. */
static int
fill(struct mboxreader *reader)
{
  for (;;) {
    size_t held = reader->to - reader->from;
    if (held >= SHOWN || memchr(reader->buffer + reader->from, '\n', held))
      return 1;
    memmove(reader->buffer, reader->buffer + reader->from, held);
    reader->from = 0;
    reader->to = held;
    ssize_t n =
        fd_read(reader->fd, reader->buffer + held, MBOXREADER_BUFFER - held);
    if (n < 0)
      return -1;
    if (n == 0)
      return held > 0;
    reader->to += (size_t)n;
    reader->read += (uint64_t)n;
  }
}

/* What is in the buffer of the line at from; *is_whole: its end, too. */
static size_t
piece(struct mboxreader const *reader, bool *is_whole)
{
  char const *from = reader->buffer + reader->from;
  size_t held = reader->to - reader->from;
  char const *end = memchr(from, '\n', held);
  *is_whole = end;
  return end ? (size_t)(end + 1 - from) : held;
}

static bool
is_separator(char const *line, size_t n)
{
  return n >= SEPARATOR_BYTES && !memcmp(line, separator, SEPARATOR_BYTES);
}

static bool
is_quoted(char const *line, size_t n)
{
  size_t quotes = 0;
  while (quotes < n && line[quotes] == '>')
    quotes++;
  return quotes && is_separator(line + quotes, n - quotes);
}

static void
keep_sender(struct mboxreader *reader, char const *line, size_t n)
{
  size_t used = 0;
  for (size_t i = SEPARATOR_BYTES; i < n && line[i] != ' ' && line[i] != '\n';
       i++)
    if (used < MBOXREADER_SENDER_MAX)
      reader->sender[used++] = line[i];
  reader->sender[used] = 0;
}

/* Skip the separator's line. 1, 0 at the end, or -1. */
static int
begin(struct mboxreader *reader)
{
  bool is_whole;
  int result = fill(reader);
  size_t n = piece(reader, &is_whole);
  keep_sender(reader, reader->buffer + reader->from, n);
  reader->from += n;
  while (result == 1 && !is_whole) {
    result = fill(reader);
    reader->from += piece(reader, &is_whole);
  }
  return result;
}

/* The bytes of an empty line, which may end in CR LF; 0: it is none. */
static size_t
blank_bytes(char const *line, size_t n)
{
  return (n == 1 && line[0] == '\n') || (n == 2 && !memcmp(line, "\r\n", 2))
             ? n
             : 0;
}

/* Write the piece at from. 0 or -1. */
static int
take(struct mboxreader *reader, size_t n, bool is_whole, struct spool *spool)
{
  char const *from = reader->buffer + reader->from;
  size_t skipped = !reader->in_line && is_quoted(from, n);
  reader->from += n;
  reader->in_line = !is_whole;
  return spool_write(spool, from + skipped, n - skipped);
}

enum mboxreader_result
mboxreader_next(struct mboxreader *reader, struct spool *spool)
{
  bool is_whole;
  size_t blank = 0;
  int result = fill(reader);
  if (result == 1 && !reader->has_begun) {
    size_t n = piece(reader, &is_whole);
    if (!is_separator(reader->buffer + reader->from, n))
      return MBOXREADER_NO_MBOX;
  }
  if (result == 0 && !reader->has_begun)
    return MBOXREADER_END;
  reader->has_begun = false;
  if (result == 1)
    result = begin(reader);
  while (result == 1 && (result = fill(reader)) == 1) {
    char const *from = reader->buffer + reader->from;
    size_t n = piece(reader, &is_whole);
    if (!reader->in_line && blank && is_separator(from, n)) {
      reader->has_begun = true;
      break;
    }
    if (blank && spool_write(spool, &"\r\n"[2 - blank], blank) == -1)
      return MBOXREADER_WRITE_ERROR;
    blank = reader->in_line ? 0 : blank_bytes(from, n);
    if (blank)
      reader->from += blank;
    else if (take(reader, n, is_whole, spool) == -1)
      return MBOXREADER_WRITE_ERROR;
  }
  reader->in_line = false;
  return result == -1 ? MBOXREADER_READ_ERROR : MBOXREADER_MESSAGE;
}
