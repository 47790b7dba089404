#include "lib/xtext.h"

#include <limits.h>

#include "lib/ascii.h"

static int
is_xchar(unsigned char c)
{
  return c > 0x20 && c < 0x7f && c != '+' && c != '=';
}

int
xtext_encode(char const *in, size_t n, char *out, size_t size)
{
  static char const digits[] = "0123456789ABCDEF";
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)in[i];
    size_t wanted = is_xchar(c) ? 1 : 3;
    if (used > INT_MAX - 3 || size <= used + wanted)
      return -1;
    if (wanted == 1) {
      out[used++] = (char)c;
    } else {
      out[used++] = '+';
      out[used++] = digits[c >> 4];
      out[used++] = digits[c & 15];
    }
  }
  if (size == 0)
    return -1;
  out[used] = '\0';
  return (int)used;
}

int
xtext_decode(char const *in, size_t n, char *out, size_t size)
{
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    int c = (unsigned char)in[i];
    if (c == '+') {
      if (n - i < 3)
        return -1;
      int high = ascii_hex(in[i + 1]);
      int low = ascii_hex(in[i + 2]);
      if (high < 0 || low < 0 || high + low == 0)
        return -1;
      c = high * 16 + low;
      i += 2;
    } else if (!is_xchar((unsigned char)c)) {
      return -1;
    }
    if (used == INT_MAX || size <= used + 1)
      return -1;
    out[used++] = (char)c;
  }
  if (size == 0)
    return -1;
  out[used] = '\0';
  return (int)used;
}
