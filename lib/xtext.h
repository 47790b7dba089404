/* xtext, RFC 3461 section 4: printable ASCII except + and =, everything else
 * as +XX. Pure. */
#ifndef TRAPLINE_LIB_XTEXT_H
#define TRAPLINE_LIB_XTEXT_H

#include <stddef.h>

/* Encode n bytes into out (room for size bytes, NUL-terminated). Returns the
 * length, at most 3 n, or -1 if it does not fit. */
int xtext_encode(char const *in, size_t n, char *out, size_t size);

/* Decode n bytes into out (room for size bytes, NUL-terminated). Returns the
 * length, or -1 if it is no xtext, holds a NUL or does not fit. The digits of
 * +XX may be in either case. */
int xtext_decode(char const *in, size_t n, char *out, size_t size);

#endif
