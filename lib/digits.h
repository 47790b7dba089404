/* Numbers of a fixed width. Pure. */
#ifndef TRAPLINE_LIB_DIGITS_H
#define TRAPLINE_LIB_DIGITS_H

#include <stddef.h>
#include <stdint.h>

/* The last width decimal digits of n, with zeros before it. Returns the end,
 * not NUL-terminated. */
static inline char *
digits_put(char *out, uint64_t n, size_t width)
{
  for (size_t i = width; i > 0; i--, n /= 10)
    out[i - 1] = (char)('0' + n % 10);
  return out + width;
}

#endif
