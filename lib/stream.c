#include "lib/stream.h"

#include <errno.h>
#include <string.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/buffer.h>
#include <skalibs/skamisc.h>
#include <skalibs/types.h>

#include "lib/command.h"
#include "lib/xtext.h"

/* What a pipe holds, so that one read can take all that is there. */
#define INPUT_BYTES 65536
/* Pieces from this size on are written as they stand, not gathered. */
#define LARGE_BYTES 2048

static char input_space[INPUT_BYTES + 1];
static buffer input =
    BUFFER_INIT(&buffer_read, 0, input_space, sizeof input_space);
static int write_error;

static void
written(bool succeeded)
{
  if (!succeeded && !write_error)
    write_error = errno;
}

enum stream_result
stream_flush(void)
{
  if (!write_error)
    written(buffer_flush(buffer_1));
  if (!write_error)
    return STREAM_OK;
  errno = write_error;
  return STREAM_WRITE_ERROR;
}

void
stream_put(char const *bytes, size_t n)
{
  if (write_error)
    return;
  if (n < LARGE_BYTES) {
    written(buffer_put(buffer_1, bytes, n) == (ssize_t)n);
    return;
  }
  written(buffer_flush(buffer_1) && allwrite(1, bytes, n) == n);
}

void
stream_put_line(char const *line, size_t n)
{
  stream_put(line, n);
  stream_put("\n", 1);
}

void
stream_put_chunk(uint64_t n, bool last)
{
  char line[sizeof "BDAT  LAST" + UINT64_FMT] = "BDAT ";
  size_t used = 5 + uint64_fmt(line + 5, n);
  if (last) {
    memcpy(line + used, " LAST", 5);
    used += 5;
  }
  stream_put_line(line, used);
}

void
stream_put_note(char const *key, char const *value)
{
  char text[COMMAND_NOTE_VALUE_MAX * 3 + 1];
  size_t n = strlen(value);
  if (n > COMMAND_NOTE_VALUE_MAX)
    return;
  int encoded = xtext_encode(value, n, text, sizeof text);
  if (encoded < 0)
    return;
  stream_put("XNOTE ", 6);
  stream_put(key, strlen(key));
  stream_put("=", 1);
  stream_put_line(text, (size_t)encoded);
}

/* Wait for more input, what was put gone before. STREAM_END at end of file. */
static enum stream_result
fill(void)
{
  enum stream_result result = stream_flush();
  if (result != STREAM_OK)
    return result;
  ssize_t r = buffer_fill(&input);
  if (r < 0)
    return STREAM_READ_ERROR;
  return r ? STREAM_OK : STREAM_END;
}

enum stream_result
stream_line(char *line, size_t *n)
{
  size_t used = 0;
  for (;;) {
    struct iovec parts[2];
    buffer_rpeek(&input, parts);
    for (int i = 0; i < 2 && parts[i].iov_len; i++) {
      char const *from = parts[i].iov_base;
      char const *lf = memchr(from, '\n', parts[i].iov_len);
      size_t take = lf ? (size_t)(lf - from) : parts[i].iov_len;
      if (used + take >= STREAM_LINE_MAX)
        return STREAM_TOO_LONG;
      memcpy(line + used, from, take);
      used += take;
      buffer_rseek(&input, take + (lf != NULL));
      if (lf) {
        *n = used;
        return STREAM_OK;
      }
    }
    enum stream_result result = fill();
    if (result == STREAM_END && used)
      return STREAM_TRUNCATED;
    if (result != STREAM_OK)
      return result;
  }
}

enum stream_result
stream_piece(uint64_t most, char const **bytes, size_t *n)
{
  struct iovec parts[2];
  if (buffer_isempty(&input)) {
    enum stream_result result = fill();
    if (result != STREAM_OK)
      return result == STREAM_END ? STREAM_TRUNCATED : result;
  }
  buffer_rpeek(&input, parts);
  *bytes = parts[0].iov_base;
  *n = parts[0].iov_len < most ? parts[0].iov_len : (size_t)most;
  buffer_rseek(&input, *n);
  return STREAM_OK;
}
