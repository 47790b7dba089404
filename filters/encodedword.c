#include "filters/encodedword.h"

#include "lib/ascii.h"

static size_t
decode_q(char const *text, size_t n, char *out)
{
  size_t made = 0;
  for (size_t i = 0; i < n; i++) {
    int high = i + 2 < n ? ascii_hex(text[i + 1]) : -1;
    int low = i + 2 < n ? ascii_hex(text[i + 2]) : -1;
    if (text[i] == '=' && high >= 0 && low >= 0) {
      out[made++] = (char)(high * 16 + low);
      i += 2;
    } else {
      out[made++] = (char)(text[i] == '_' ? ' ' : text[i]);
    }
  }
  return made;
}

/* 0 to 63, or -1. */
static int
base64_digit(char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (ascii_is_digit(c))
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* What is no digit is passed over. */
static size_t
decode_b(char const *text, size_t n, char *out)
{
  size_t made = 0;
  unsigned int bits = 0;
  unsigned int held = 0;
  for (size_t i = 0; i < n; i++) {
    int digit = base64_digit(text[i]);
    if (digit < 0)
      continue;
    bits = (bits << 6 | (unsigned int)digit) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[made++] = (char)(bits >> held & 0xff);
    }
  }
  return made;
}

/* The index of the next question mark; n if a blank or the end comes first. */
static size_t
find_mark(char const *text, size_t n, size_t at)
{
  for (; at < n && text[at] != '?'; at++)
    if (text[at] == ' ' || ascii_is_control(text[at]))
      return n;
  return at;
}

size_t
encodedword_decode(char const *text, size_t n, char *out, size_t *made)
{
  if (n < 2 || text[0] != '=' || text[1] != '?')
    return 0;
  size_t charset_end = find_mark(text, n, 2);
  if (charset_end + 3 >= n || charset_end == 2 || text[charset_end + 2] != '?')
    return 0;
  char encoding = ascii_lower(text[charset_end + 1]);
  size_t start = charset_end + 3;
  size_t end = find_mark(text, n, start);
  if (end + 1 >= n || text[end + 1] != '=')
    return 0;
  if (encoding == 'q')
    *made = decode_q(text + start, end - start, out);
  else if (encoding == 'b')
    *made = decode_b(text + start, end - start, out);
  else
    return 0;
  return end + 2;
}
