#include "smtpd/evidence.h"

#include <string.h>

#include "lib/ascii.h"

enum state {
  LETTER,
  LETTER_BLANK,
  TIME,
  NUMBER,
  TEXT,
  ESCAPE,
  HEX_HIGH,
  HEX_LOW,
  BYTES,
  BYTES_LF,
  BAD,
};

static bool
has_text(char kind)
{
  return kind == 'C' || kind == 'D' || kind == 'E' || kind == 'S';
}

static bool
has_number(char kind)
{
  return kind == 'B' || kind == 'P' || kind == 'V';
}

/* A record may begin so. */
static bool
take_letter(struct evidence *reader, char c)
{
  reader->at = reader->line + 1;
  if (!c || !strchr("BCDEPSTVX", c) || reader->has_ended ||
      (c == 'V') == reader->has_begun)
    return false;
  reader->kind = c;
  reader->has_begun = true;
  reader->has_ended = c == 'E';
  reader->is_first = true;
  reader->ms = reader->number = 0;
  reader->digits = 0;
  reader->state = LETTER_BLANK;
  return true;
}

static bool
take_digit(struct evidence *reader, uint64_t *number, char c)
{
  if (c < '0' || c > '9' || reader->digits == EVIDENCE_DIGITS_MAX)
    return false;
  *number = *number * 10 + (uint64_t)(c - '0');
  reader->digits++;
  return true;
}

/* The end of a line without text: 1, or -1. */
static int
end_line(struct evidence *reader)
{
  if (!reader->digits || (reader->kind == 'V' && reader->number != 1))
    return -1;
  reader->left = reader->number;
  reader->state = reader->kind != 'B' ? LETTER
                  : reader->left      ? BYTES
                                      : BYTES_LF;
  return 1;
}

static int
take_time(struct evidence *reader, char c)
{
  if (c == ' ' && reader->digits && has_text(reader->kind))
    reader->state = TEXT;
  else if (c == ' ' && reader->digits && has_number(reader->kind)) {
    reader->state = NUMBER;
    reader->digits = 0;
  } else if (c == '\n' && !has_text(reader->kind) && !has_number(reader->kind))
    return end_line(reader);
  else if (!take_digit(reader, &reader->ms, c))
    return -1;
  return 0;
}

/* A byte of the text, decoded: 1 if there is no room for another one. */
static int
add(struct evidence *reader, unsigned int c)
{
  reader->text[reader->text_used++] = (char)c;
  reader->state = TEXT;
  return reader->text_used == sizeof reader->text;
}

static int
take_text(struct evidence *reader, char c)
{
  if (c == '\n') {
    reader->state = LETTER;
    return 1;
  }
  if (c < ' ' || c > '~')
    return -1;
  if (c != '\\')
    return add(reader, (unsigned char)c);
  reader->state = ESCAPE;
  return 0;
}

static int
take_escape(struct evidence *reader, char c)
{
  int digit = ascii_hex(c);
  if (reader->state == ESCAPE && c == 'x')
    reader->state = HEX_HIGH;
  else if (reader->state == ESCAPE)
    return c == 'r'    ? add(reader, '\r')
           : c == 'n'  ? add(reader, '\n')
           : c == '\\' ? add(reader, '\\')
                       : -1;
  else if (digit < 0)
    return -1;
  else if (reader->state == HEX_LOW)
    return add(reader, reader->hex * 16 + (unsigned int)digit);
  else {
    reader->hex = (unsigned int)digit;
    reader->state = HEX_LOW;
  }
  return 0;
}

/* 1 if a piece is ready, 0 if not, -1 if this cannot be. */
static int
step(struct evidence *reader, char c)
{
  switch ((enum state)reader->state) {
  case LETTER:
    return take_letter(reader, c) ? 0 : -1;
  case LETTER_BLANK:
    reader->state = TIME;
    return c == ' ' ? 0 : -1;
  case TIME:
    return take_time(reader, c);
  case NUMBER:
    if (c == '\n')
      return end_line(reader);
    return take_digit(reader, &reader->number, c) ? 0 : -1;
  case TEXT:
    return take_text(reader, c);
  case BYTES_LF:
    reader->state = LETTER;
    return c == '\n' ? 1 : -1;
  default:
    return take_escape(reader, c);
  }
}

static enum evidence_result
emit(struct evidence *reader, struct evidence_piece *piece)
{
  *piece = (struct evidence_piece){.kind = reader->kind,
                                   .first = reader->is_first,
                                   .last = reader->state == LETTER,
                                   .line = reader->at,
                                   .ms = reader->ms,
                                   .number = reader->number,
                                   .bytes = reader->text,
                                   .n = reader->text_used};
  reader->is_first = false;
  reader->text_used = 0;
  return EVIDENCE_PIECE;
}

/* Some of the counted bytes, as they stand in the input. */
static enum evidence_result
count_bytes(struct evidence *reader, char const *in, size_t n, size_t *taken,
            struct evidence_piece *piece)
{
  size_t some = n < reader->left ? n : (size_t)reader->left;
  reader->left -= some;
  if (!reader->left)
    reader->state = BYTES_LF;
  for (size_t i = 0; i < some; i++)
    reader->line += in[i] == '\n';
  *taken += some;
  emit(reader, piece);
  piece->bytes = in;
  piece->n = some;
  return EVIDENCE_PIECE;
}

enum evidence_result
evidence_next(struct evidence *reader, char const *in, size_t n, size_t *taken,
              struct evidence_piece *piece)
{
  *taken = 0;
  while (*taken < n) {
    if (reader->state == BAD)
      return EVIDENCE_BAD;
    if (reader->state == BYTES)
      return count_bytes(reader, in + *taken, n - *taken, taken, piece);
    char c = in[(*taken)++];
    int result = step(reader, c);
    reader->line += c == '\n';
    if (result > 0)
      return emit(reader, piece);
    if (result < 0) {
      reader->state = BAD;
      return EVIDENCE_BAD;
    }
  }
  return EVIDENCE_MORE;
}

size_t
evidence_escape(char const *bytes, size_t n, char *out)
{
  static char const digits[] = "0123456789abcdef";
  char *end = out;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)bytes[i];
    if (c >= ' ' && c <= '~' && c != '\\') {
      *end++ = (char)c;
      continue;
    }
    *end++ = '\\';
    if (c == '\\' || c == '\r' || c == '\n')
      *end++ = (char)(c == '\r' ? 'r' : c == '\n' ? 'n' : c);
    else {
      *end++ = 'x';
      *end++ = digits[c >> 4];
      *end++ = digits[c & 15];
    }
  }
  return (size_t)(end - out);
}
