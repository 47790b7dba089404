#include "deliver/embedded.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"

#define BOUNDARY_MAX 200 /* RFC 2046 has 70 */

/* A piece of the text. */
struct span {
  char const *bytes;
  size_t n;
};

/* What the header of a part says. */
struct part {
  struct span type, encoding; /* fields' values; empty: none */
  struct span body;
};

struct finder {
  char const *text;
  struct embedded *found;
  size_t count;
};

/* Where the line that begins here ends, its LF included. */
static size_t
line_bytes(struct span text)
{
  char const *lf = memchr(text.bytes, '\n', text.n);
  return lf ? (size_t)(lf - text.bytes) + 1 : text.n;
}

static struct span
skip(struct span text, size_t n)
{
  if (n) /* bytes may be NULL where there are none */
    text.bytes += n;
  text.n -= n;
  return text;
}

static bool
is_empty_line(struct span line)
{
  size_t n = line.n;
  if (n && line.bytes[n - 1] == '\n')
    n--;
  if (n && line.bytes[n - 1] == '\r')
    n--;
  return !n;
}

/* The value of a field, if that has this name and value does not have one. */
static void
take_field(struct span field, char const *name, struct span *value)
{
  size_t n = strlen(name);
  if (value->n || field.n < n || strncasecmp(field.bytes, name, n))
    return;
  while (n < field.n && ascii_is_blank(field.bytes[n]))
    n++;
  if (n < field.n && field.bytes[n] == ':')
    *value = skip(field, n + 1);
}

static struct part
read_header(struct span text)
{
  struct part part = {.body = text};
  while (part.body.n) {
    struct span field = {part.body.bytes, line_bytes(part.body)};
    bool end = is_empty_line(field);
    part.body = skip(part.body, field.n);
    if (end)
      break;
    while (part.body.n && ascii_is_blank(part.body.bytes[0])) {
      size_t n = line_bytes(part.body);
      field.n += n;
      part.body = skip(part.body, n);
    }
    take_field(field, "content-type", &part.type);
    take_field(field, "content-transfer-encoding", &part.encoding);
  }
  return part;
}

/* Blanks, line ends and comments. */
static struct span
skip_blanks(struct span value)
{
  size_t i = 0, depth = 0;
  for (; i < value.n; i++) {
    char c = value.bytes[i];
    if (c == '(')
      depth++;
    else if (c == ')' && depth)
      depth--;
    else if (c == '\\' && depth)
      i += i + 1 < value.n;
    else if (!depth && !ascii_is_blank(c) && c != '\r' && c != '\n')
      break;
  }
  return skip(value, i);
}

/* The word that the value begins with. */
static struct span
word(struct span value)
{
  size_t n = 0;
  while (n < value.n && !ascii_is_control(value.bytes[n]) &&
         !memchr(" ;=(\"", value.bytes[n], 5))
    n++;
  return (struct span){value.bytes, n};
}

static bool
is_word(struct span span, char const *text)
{
  return span.n == strlen(text) && !strncasecmp(span.bytes, text, span.n);
}

/* A parameter's value, a word or a quoted string, into out. Returns what is
 * behind it. */
static struct span
read_value(struct span value, char *out, size_t *used)
{
  bool quoted = value.n && value.bytes[0] == '"';
  size_t i = quoted;
  *used = 0;
  for (; i < value.n; i++) {
    char c = value.bytes[i];
    if (quoted ? c == '"' : c == ';' || c == '(' || ascii_is_blank(c))
      break;
    if (quoted && c == '\\' && i + 1 < value.n)
      c = value.bytes[++i];
    if (c == '\r' || c == '\n')
      continue;
    if (*used <= BOUNDARY_MAX)
      out[(*used)++] = c;
  }
  return skip(value, i < value.n && quoted ? i + 1 : i);
}

/* The boundary in a Content-Type's value, behind "--" in out, room for
 * BOUNDARY_MAX + 3 bytes. Its length, 0: none. */
static size_t
read_boundary(struct span value, char *out)
{
  size_t n;
  memcpy(out, "--", 2);
  while (value.n) {
    value = skip_blanks(value);
    struct span name = word(value);
    value = skip_blanks(skip(value, name.n));
    if (value.n && value.bytes[0] == '=') {
      value = read_value(skip_blanks(skip(value, 1)), out + 2, &n);
      if (is_word(name, "boundary"))
        return n && n <= BOUNDARY_MAX ? n + 2 : 0;
    } else if (value.n)
      value = skip(value, 1);
  }
  return 0;
}

/* Whether the line is this boundary; *last: the last one. */
static bool
is_boundary(struct span line, struct span boundary, bool *last)
{
  if (line.n < boundary.n || memcmp(line.bytes, boundary.bytes, boundary.n))
    return false;
  line = skip(line, boundary.n);
  *last = line.n >= 2 && !memcmp(line.bytes, "--", 2);
  if (*last)
    line = skip(line, 2);
  while (line.n && ascii_is_blank(line.bytes[0]))
    line = skip(line, 1);
  return is_empty_line(line);
}

/* The text before a boundary, without the line end that is the boundary's. */
static struct span
before(struct span text, char const *end)
{
  text.n = (size_t)(end - text.bytes);
  if (text.n && text.bytes[text.n - 1] == '\n')
    text.n--;
  if (text.n && text.bytes[text.n - 1] == '\r')
    text.n--;
  return text;
}

/* The next boundary in the text: the text before it, and what is behind it.
 * false: there is none, and the text ends. */
static bool
next_boundary(struct span *text, struct span boundary, struct span *part,
              bool *last)
{
  struct span rest = *text;
  *part = rest;
  for (;;) {
    /* boundaries are rare: look for their first bytes, then for a line */
    char const *found = memmem(rest.bytes, rest.n, boundary.bytes, boundary.n);
    if (!found)
      return false;
    rest = skip(rest, (size_t)(found - rest.bytes));
    bool begins = found == text->bytes || found[-1] == '\n';
    struct span line = {found, begins ? line_bytes(rest) : 0};
    if (begins && is_boundary(line, boundary, last)) {
      *part = before(*part, found);
      *text = skip(rest, line.n);
      return true;
    }
    rest = skip(rest, 1);
  }
}

static enum transfer_encoding
encoding(struct span value)
{
  struct span name = word(skip_blanks(value));
  if (is_word(name, "base64"))
    return TRANSFER_BASE64;
  if (is_word(name, "quoted-printable"))
    return TRANSFER_QUOTED_PRINTABLE;
  return TRANSFER_IDENTITY;
}

static void
add(struct finder *finder, struct part const *part)
{
  size_t begin = (size_t)(part->body.bytes - finder->text);
  if (finder->count == EMBEDDED_MAX || !part->body.n)
    return;
  finder->found[finder->count++] =
      (struct embedded){begin, begin + part->body.n, encoding(part->encoding)};
}

/* digest: a part without a type is a message, RFC 2046 section 5.1.5. */
static void
find(struct finder *finder, struct span text, bool digest, unsigned int depth)
{
  char bytes[BOUNDARY_MAX + 3];
  struct part part = read_header(text);
  struct span type = word(skip_blanks(part.type)), inner;
  bool last = false;
  if (is_word(type, "message/rfc822") || is_word(type, "message/global") ||
      (digest && !type.n)) {
    add(finder, &part);
    return;
  }
  if (type.n < 10 || strncasecmp(type.bytes, "multipart/", 10) ||
      depth == EMBEDDED_DEPTH_MAX)
    return;
  struct span boundary = {bytes, read_boundary(part.type, bytes)};
  if (!boundary.n || !next_boundary(&part.body, boundary, &inner, &last))
    return;
  digest = is_word(type, "multipart/digest");
  while (!last && part.body.n) {
    if (!next_boundary(&part.body, boundary, &inner, &last))
      last = true;
    find(finder, inner, digest, depth + 1);
  }
}

size_t
embedded_find(char const *text, size_t n, struct embedded *found)
{
  struct finder finder = {text, found, 0};
  find(&finder, (struct span){text, n}, false, 0);
  return finder.count;
}
