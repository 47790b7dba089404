#include "filters/header.h"

#include <string.h>

#include "filters/encodedword.h"
#include "lib/ascii.h"

#define VALUE_MAX 2048 /* bytes of a value that are looked at */

void
header_start(struct header *header)
{
  header->complete = false;
  header->used = 0;
}

/* Whether the LF that was just held ends an empty line. */
static bool
ends_empty_line(struct header const *header)
{
  size_t n = header->used - 1;
  if (n && header->text[n - 1] == '\r')
    n--;
  return !n || header->text[n - 1] == '\n';
}

size_t
header_feed(struct header *header, char const *bytes, size_t n)
{
  size_t taken = 0;
  while (taken < n && !header->complete) {
    char c = bytes[taken++];
    header->text[header->used++] = c;
    if (header->used == HEADER_MAX || (c == '\n' && ends_empty_line(header)))
      header->complete = true;
  }
  return taken;
}

/* The end of the line that begins at at, its LF included. */
static size_t
line_end(struct header const *header, size_t at)
{
  char const *lf = memchr(header->text + at, '\n', header->used - at);
  return lf ? (size_t)(lf - header->text) + 1 : header->used;
}

/* The length of a field's name, 0 if the line is none; *colon is where its
 * colon is. Blanks before it are let pass, as many readers of mail do. */
static size_t
name_length(char const *line, size_t n, size_t *colon)
{
  size_t i = 0;
  while (i < n && line[i] != ':' && !ascii_is_blank(line[i])) {
    if (ascii_is_control(line[i]) || ascii_is_8bit(line[i]))
      return 0;
    i++;
  }
  *colon = i;
  while (*colon < n && ascii_is_blank(line[*colon]))
    ++*colon;
  return *colon < n && line[*colon] == ':' ? i : 0;
}

bool
header_next(struct header const *header, size_t *at, struct header_field *field)
{
  while (*at < header->used) {
    size_t start = *at;
    size_t end = line_end(header, start);
    while (end < header->used && ascii_is_blank(header->text[end]))
      end = line_end(header, end);
    *at = end;
    size_t colon;
    field->name = header->text + start;
    field->name_bytes = name_length(field->name, end - start, &colon);
    if (!field->name_bytes)
      continue;
    field->value = field->name + colon + 1;
    field->value_bytes = end - start - colon - 1;
    return true;
  }
  return false;
}

bool
header_is(struct header_field const *field, char const *name)
{
  if (strlen(name) != field->name_bytes)
    return false;
  for (size_t i = 0; i < field->name_bytes; i++)
    if (ascii_lower(field->name[i]) != ascii_lower(name[i]))
      return false;
  return true;
}

/* Control characters are blanks, a run of them is one. In place; the new
 * length. */
static size_t
collapse(char *text, size_t n)
{
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    if (text[i] != ' ' && !ascii_is_control(text[i]))
      text[used++] = text[i];
    else if (used && text[used - 1] != ' ')
      text[used++] = ' ';
  }
  return used && text[used - 1] == ' ' ? used - 1 : used;
}

/* Decode encoded words, and drop the blank between two. In place; the new
 * length. */
static size_t
decode_words(char *text, size_t n)
{
  size_t used = 0;
  size_t i = 0;
  bool after_word = false;
  while (i < n) {
    size_t blank = after_word && text[i] == ' ';
    size_t made;
    size_t word =
        encodedword_decode(text + i + blank, n - i - blank, text + used, &made);
    if (word) {
      used += made;
      i += blank + word;
    } else {
      text[used++] = text[i++];
    }
    after_word = word != 0;
  }
  return used;
}

size_t
header_value(struct header_field const *field, char *out, size_t size)
{
  char value[VALUE_MAX];
  size_t n = field->value_bytes < VALUE_MAX ? field->value_bytes : VALUE_MAX;
  memcpy(value, field->value, n);
  n = collapse(value, n);
  n = decode_words(value, n);
  n = collapse(value, n);
  if (n > size - 1)
    n = size - 1;
  for (size_t i = 0; i < n; i++)
    out[i] = ascii_lower(value[i]);
  out[n] = 0;
  return n;
}
