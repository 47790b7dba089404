#include "filters/spamfield.h"

#include <string.h>

#include "lib/ascii.h"

#define PREFIX_BYTES (sizeof SPAMFIELD_PREFIX - 1)

void
spamfield_begin(struct spamfield *message)
{
  message->place = SPAMFIELD_LINE_START;
  message->drops_fold = false;
  message->held = 0;
}

static void
put(struct spamfield_output const *output, char const *bytes, size_t n)
{
  if (n)
    output->put(output->context, bytes, n);
}

static void
put_held(struct spamfield *message, struct spamfield_output const *output)
{
  put(output, message->start, message->held);
  message->held = 0;
}

/* Whether the line may yet be one of ours, or an empty one that ends in CR. */
static bool
may_be_prefix(struct spamfield const *message, char c)
{
  if (message->held && message->start[0] == '\r')
    return false;
  return (!message->held && c == '\r') ||
         ascii_lower(c) == SPAMFIELD_PREFIX[message->held];
}

/* At the start of a line: look at a byte. Returns 1 if it was taken. */
static size_t
start_line(struct spamfield *message, char c,
           struct spamfield_output const *output)
{
  if (!message->held && ascii_is_blank(c) && message->drops_fold) {
    message->place = SPAMFIELD_DROPPED;
    return 0;
  }
  if (!may_be_prefix(message, c)) {
    bool is_empty = c == '\n' && (!message->held || message->start[0] == '\r');
    message->place = is_empty ? SPAMFIELD_BODY : SPAMFIELD_KEPT;
    message->drops_fold = false;
    put_held(message, output);
    return 0;
  }
  message->start[message->held++] = c;
  if (message->held == PREFIX_BYTES) {
    message->place = SPAMFIELD_DROPPED;
    message->drops_fold = true;
    message->held = 0;
  }
  return 1;
}

void
spamfield_drop(struct spamfield *message, char const *bytes, size_t n,
               struct spamfield_output const *output)
{
  size_t at = 0;
  while (at < n) {
    if (message->place == SPAMFIELD_BODY) {
      put(output, bytes + at, n - at);
      return;
    }
    if (message->place == SPAMFIELD_LINE_START) {
      at += start_line(message, bytes[at], output);
      continue;
    }
    char const *lf = memchr(bytes + at, '\n', n - at);
    size_t end = lf ? (size_t)(lf - bytes) + 1 : n;
    if (message->place == SPAMFIELD_KEPT)
      put(output, bytes + at, end - at);
    if (lf)
      message->place = SPAMFIELD_LINE_START;
    at = end;
  }
}

void
spamfield_end(struct spamfield *message, struct spamfield_output const *output)
{
  put_held(message, output);
}

static bool
has_prefix(struct header_field const *field)
{
  if (field->name_bytes < PREFIX_BYTES)
    return false;
  for (size_t i = 0; i < PREFIX_BYTES; i++)
    if (ascii_lower(field->name[i]) != SPAMFIELD_PREFIX[i])
      return false;
  return true;
}

void
spamfield_copy(struct header const *header,
               struct spamfield_output const *output)
{
  struct header_field field;
  size_t at = 0;
  while (header_next(header, &at, &field)) {
    char const *line = field.name;
    char const *end = header->text + at;
    if (!has_prefix(&field) || end[-1] != '\n')
      continue;
    while (line < end) {
      char const *lf = memchr(line, '\n', (size_t)(end - line));
      size_t n = (size_t)(lf - line);
      put(output, line, n && lf[-1] == '\r' ? n - 1 : n);
      put(output, "\n", 1);
      line = lf + 1;
    }
  }
}
