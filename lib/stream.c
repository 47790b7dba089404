#include "lib/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/types.h>

#include "lib/command.h"
#include "lib/xtext.h"

/* What a pipe holds, so that one read can take all that is there. */
#define INPUT_BYTES 65536
/* Where a command is to come, no more is read of the body behind it than a
 * small message has: what is still in the pipe can be passed on uncopied. */
#define COMMAND_BYTES 8192
/* The same where the body has not been small: its next chunk's line, and little
 * more. */
#define CHUNK_LINE_BYTES 64
#define OUTPUT_BYTES 8192
/* Pieces from this size on are written as they stand, not gathered. */
#define LARGE_BYTES 2048

struct input {
  size_t begin, end; /* what has been read and not been taken */
  char bytes[INPUT_BYTES];
};

struct output {
  int error; /* errno of the first write that failed */
  size_t used;
  char bytes[OUTPUT_BYTES];
};

static struct input input;
static size_t line_bytes = COMMAND_BYTES; /* what to read for the next line */
static struct output output;
static int narrow_bytes; /* what the pipe held before; 0: it is as it was */

/* Write what was gathered and n bytes more, in one call. */
static void
write_out(char const *bytes, size_t n)
{
  struct iovec parts[2] = {{output.bytes, output.used}, {(char *)bytes, n}};
  size_t all = output.used + n;
  output.used = 0;
  if (!output.error && allwritev(1, parts, 2) != all)
    output.error = errno;
}

enum stream_result
stream_flush(void)
{
  if (output.used)
    write_out(NULL, 0);
  if (!output.error)
    return STREAM_OK;
  errno = output.error;
  return STREAM_WRITE_ERROR;
}

void
stream_put(char const *bytes, size_t n)
{
  if (n >= LARGE_BYTES) {
    write_out(bytes, n);
    return;
  }
  if (n > sizeof output.bytes - output.used)
    write_out(NULL, 0);
  memcpy(output.bytes + output.used, bytes, n);
  output.used += n;
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

/* Wait for more input, all that there was being taken, and what was put gone
 * before. STREAM_END at end of file. */
static enum stream_result
fill(size_t most)
{
  enum stream_result result = stream_flush();
  if (result != STREAM_OK)
    return result;
  ssize_t r = fd_read(0, input.bytes, most);
  if (r < 0)
    return STREAM_READ_ERROR;
  input.begin = 0;
  input.end = (size_t)r;
  return r ? STREAM_OK : STREAM_END;
}

enum stream_result
stream_line(char *line, size_t *n)
{
  size_t used = 0;
  for (;;) {
    char const *from = input.bytes + input.begin;
    size_t have = input.end - input.begin;
    char const *lf = memchr(from, '\n', have);
    size_t take = lf ? (size_t)(lf - from) : have;
    if (used + take >= STREAM_LINE_MAX)
      return STREAM_TOO_LONG;
    memcpy(line + used, from, take);
    used += take;
    input.begin += take + (lf != NULL);
    if (lf) {
      *n = used;
      return STREAM_OK;
    }
    enum stream_result result = fill(line_bytes);
    line_bytes = COMMAND_BYTES;
    if (result == STREAM_END && used)
      return STREAM_TRUNCATED;
    if (result != STREAM_OK)
      return result;
  }
}

enum stream_result
stream_piece(uint64_t most, char const **bytes, size_t *n)
{
  if (input.begin == input.end) {
    enum stream_result result = fill(sizeof input.bytes);
    if (result != STREAM_OK)
      return result == STREAM_END ? STREAM_TRUNCATED : result;
    line_bytes = sizeof input.bytes;
  }
  size_t have = input.end - input.begin;
  *bytes = input.bytes + input.begin;
  *n = have < most ? have : (size_t)most;
  input.begin += *n;
  return STREAM_OK;
}

void
stream_widen(uint64_t bytes)
{
  if (narrow_bytes || bytes <= INPUT_BYTES)
    return;
  int held = fcntl(0, F_GETPIPE_SZ);
  if (held > 0 && held < STREAM_WIDE_BYTES &&
      fcntl(0, F_SETPIPE_SZ, STREAM_WIDE_BYTES) > 0)
    narrow_bytes = held;
}

void
stream_end_body(void)
{
  if (narrow_bytes)
    fcntl(0, F_SETPIPE_SZ, narrow_bytes);
  narrow_bytes = 0;
  line_bytes = COMMAND_BYTES;
}

/* The copy that every kind of descriptor can do. */
static enum stream_result
copy(uint64_t n)
{
  while (n) {
    char const *bytes;
    size_t got;
    enum stream_result result = stream_piece(n, &bytes, &got);
    if (result != STREAM_OK)
      return result;
    stream_put(bytes, got);
    n -= got;
  }
  return STREAM_OK;
}

enum stream_result
stream_pass(uint64_t n)
{
  size_t have = input.end - input.begin;
  enum stream_result result = copy(n < have ? n : have);
  n -= n < have ? n : have;
  if (n)
    line_bytes = CHUNK_LINE_BYTES;
  while (result == STREAM_OK && n) {
    result = stream_flush();
    if (result != STREAM_OK)
      return result;
    size_t most = n < STREAM_WIDE_BYTES ? (size_t)n : STREAM_WIDE_BYTES;
    ssize_t r = splice(0, NULL, 1, NULL, most, 0);
    if (r > 0)
      n -= (uint64_t)r;
    else if (r == 0)
      return STREAM_TRUNCATED;
    else if (errno != EINTR)
      return copy(n);
  }
  return result;
}
