/* Classes of bytes, the same whatever the locale. Pure. */
#ifndef TRAPLINE_LIB_ASCII_H
#define TRAPLINE_LIB_ASCII_H

#include <stdbool.h>

static inline bool
ascii_is_blank(char c)
{
  return c == ' ' || c == '\t';
}

/* NUL, TAB, CR, LF and DEL are among them; bytes over 127 are not. */
static inline bool
ascii_is_control(char c)
{
  unsigned char byte = (unsigned char)c;
  return byte < 0x20 || byte == 0x7f;
}

static inline bool
ascii_is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static inline bool
ascii_is_alnum(char c)
{
  return ascii_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
ascii_is_8bit(char c)
{
  return (unsigned char)c > 0x7f;
}

static inline char
ascii_lower(char c)
{
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* 0 to 15 for a hexadecimal digit, or -1. */
static inline int
ascii_hex(char c)
{
  if (ascii_is_digit(c))
    return c - '0';
  c = ascii_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
