#include "lib/addressdomain.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"

char const *
addressdomain_utf8(char const *p, char const *end)
{
  unsigned char const *byte = (unsigned char const *)p;
  size_t left = (size_t)(end - p);
  if (left < 2 || byte[0] < 0xc2 || byte[0] > 0xf4)
    return NULL;
  size_t bytes = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
  if (left < bytes)
    return NULL;
  for (size_t i = 1; i < bytes; i++)
    if ((byte[i] & 0xc0) != 0x80)
      return NULL;
  int overlong = (byte[0] == 0xe0 && byte[1] < 0xa0) ||
                 (byte[0] == 0xf0 && byte[1] < 0x90);
  int surrogate = byte[0] == 0xed && byte[1] > 0x9f;
  int beyond = byte[0] == 0xf4 && byte[1] > 0x8f;
  return overlong || surrogate || beyond ? NULL : p + bytes;
}

static char const *
strict_label(char const *p, char const *end)
{
  char const *start = p;
  while (p < end) {
    if (ascii_is_8bit(*p)) {
      char const *next = addressdomain_utf8(p, end);
      if (!next)
        return NULL;
      p = next;
    } else if (ascii_is_alnum(*p) || (*p == '-' && p > start)) {
      p++;
    } else {
      break;
    }
  }
  return p > start && p[-1] != '-' ? p : NULL;
}

static char const *
lax_label(char const *p, char const *end)
{
  char const *start = p;
  while (p < end &&
         (ascii_is_alnum(*p) || *p == '-' || *p == '_' || ascii_is_8bit(*p)))
    p++;
  return p > start ? p : NULL;
}

char const *
addressdomain_name(char const *p, char const *end, enum address_mode mode)
{
  int strict = mode == ADDRESS_STRICT;
  p = strict ? strict_label(p, end) : lax_label(p, end);
  while (p && p < end && *p == '.') {
    char const *next =
        strict ? strict_label(p + 1, end) : lax_label(p + 1, end);
    if (!next && !strict)
      return p + 1;
    p = next;
  }
  return p;
}

/* RFC 5321's Snum may have leading zeros, which inet_pton refuses. */
static int
is_ipv4(char const *p, char const *end)
{
  for (int octet = 0; octet < 4; octet++) {
    int value = 0;
    int digits = 0;
    if (octet && (p == end || *p++ != '.'))
      return 0;
    for (; p < end && ascii_is_digit(*p) && digits < 3; p++, digits++)
      value = value * 10 + (*p - '0');
    if (digits == 0 || value > 255)
      return 0;
  }
  return p == end;
}

static int
is_ipv6(char const *p, char const *end)
{
  char text[INET6_ADDRSTRLEN];
  struct in6_addr binary;
  size_t n = (size_t)(end - p);
  if (n >= sizeof text || memchr(p, '\0', n))
    return 0;
  memcpy(text, p, n);
  text[n] = '\0';
  return inet_pton(AF_INET6, text, &binary) == 1;
}

static int
is_tagged(char const *p, char const *end)
{
  char const *start = p;
  while (p < end && (ascii_is_alnum(*p) || *p == '-'))
    p++;
  if (p == start || p[-1] == '-' || p == end || *p != ':')
    return 0;
  char const *content = p + 1;
  if (content == end)
    return 0;
  if (p - start == 4 && !strncasecmp(start, "IPv6", 4))
    return is_ipv6(content, end);
  for (p = content; p < end; p++)
    if (ascii_is_8bit(*p) || *p == '[' || *p == '\\')
      return 0;
  return 1;
}

char const *
addressdomain_literal(char const *p, char const *end, enum address_mode mode)
{
  if (p == end || *p != '[')
    return NULL;
  char const *start = ++p;
  for (; p < end && *p != ']'; p++)
    if (*p == ' ' || ascii_is_control(*p))
      return NULL;
  if (p == end || p == start)
    return NULL;
  if (mode == ADDRESS_STRICT && !is_ipv4(start, p) && !is_tagged(start, p))
    return NULL;
  return p + 1;
}
