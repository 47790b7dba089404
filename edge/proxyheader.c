#include "edge/proxyheader.h"

#include <arpa/inet.h>
#include <string.h>

#define LINE_MAX_BYTES 107 /* CR LF counted */
#define LINE_MIN_BYTES 15  /* "PROXY UNKNOWN" CR LF */
#define FIXED_BYTES 16     /* of version 2, before addresses and TLVs */
#define WORDS_MAX 6

static unsigned char const signature[] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                          '\n', 'Q',  'U',  'I',  'T', '\n'};
static char const name[] = {'P', 'R', 'O', 'X', 'Y', ' '};

static size_t
least(size_t a, size_t b)
{
  return a < b ? a : b;
}

static bool
is_binary(unsigned char const *bytes, size_t n)
{
  return !memcmp(bytes, signature, least(n, sizeof signature));
}

static int
line_wants(unsigned char const *bytes, size_t n)
{
  if (memcmp(bytes, name, least(n, sizeof name)) != 0)
    return -1;
  unsigned char const *end = memchr(bytes, '\n', n);
  if (end)
    return end == bytes + n - 1 && n >= LINE_MIN_BYTES ? 0 : -1;
  if (n < LINE_MIN_BYTES)
    return (int)(LINE_MIN_BYTES - n);
  return n < LINE_MAX_BYTES ? 1 : -1;
}

int
proxyheader_wants(unsigned char const *bytes, size_t n)
{
  if (n < sizeof signature && n > 0 && is_binary(bytes, n))
    return (int)(sizeof signature - n);
  if (n == 0)
    return sizeof signature;
  if (!is_binary(bytes, n))
    return line_wants(bytes, n);
  if (n < FIXED_BYTES)
    return (int)(FIXED_BYTES - n);
  size_t whole = FIXED_BYTES + (size_t)bytes[14] * 256 + bytes[15];
  return n <= whole ? (int)(whole - n) : -1;
}

/* In the form of inet_ntop. */
static bool
copy_address(char *out, int family, void const *address)
{
  static unsigned char const mapped[12] = {0, 0, 0, 0, 0,    0,
                                           0, 0, 0, 0, 0xff, 0xff};
  unsigned char bytes[16];
  memcpy(bytes, address, family == AF_INET ? 4 : 16);
  if (family == AF_INET6 && !memcmp(bytes, mapped, sizeof mapped))
    return inet_ntop(AF_INET, bytes + sizeof mapped, out, INET6_ADDRSTRLEN);
  return inet_ntop(family, bytes, out, INET6_ADDRSTRLEN);
}

/* The protocol has no leading zeros, signs or blanks. */
static bool
scan_port(char const *text, uint16_t *port)
{
  size_t n = strspn(text, "0123456789");
  unsigned int value = 0;
  if (n == 0 || n > 5 || text[n] || (text[0] == '0' && n > 1))
    return false;
  for (size_t i = 0; i < n; i++)
    value = value * 10 + (unsigned int)(text[i] - '0');
  *port = (uint16_t)value;
  return value <= 65535;
}

static bool
scan_address(char const *text, int family, char *out)
{
  unsigned char address[16];
  return inet_pton(family, text, address) == 1 &&
         copy_address(out, family, address);
}

static bool
parse_line(struct proxyheader *header, unsigned char const *bytes, size_t n)
{
  char line[LINE_MAX_BYTES];
  char *word[WORDS_MAX] = {line};
  size_t words = 1;
  if (n > sizeof line || bytes[n - 2] != '\r' || memchr(bytes, 0, n))
    return false;
  memcpy(line, bytes, n);
  line[n - 2] = 0;
  if (!strcmp(line, "PROXY UNKNOWN") || !strncmp(line, "PROXY UNKNOWN ", 14))
    return true;
  for (char *p = line; *p; p++)
    if (*p == ' ') {
      if (words == WORDS_MAX)
        return false;
      *p = 0;
      word[words++] = p + 1;
    }
  if (words != WORDS_MAX)
    return false;
  int family = !strcmp(word[1], "TCP4")   ? AF_INET
               : !strcmp(word[1], "TCP6") ? AF_INET6
                                          : AF_UNSPEC;
  header->known = true;
  return family != AF_UNSPEC &&
         scan_address(word[2], family, header->remote_ip) &&
         scan_address(word[3], family, header->local_ip) &&
         scan_port(word[4], &header->remote_port) &&
         scan_port(word[5], &header->local_port);
}

static uint16_t
port_at(unsigned char const *bytes)
{
  return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool
parse_binary(struct proxyheader *header, unsigned char const *bytes, size_t n)
{
  unsigned int command = bytes[12], family = bytes[13] >> 4,
               protocol = bytes[13] & 15;
  unsigned char const *address = bytes + FIXED_BYTES;
  size_t width = family == 1 ? 4 : 16;
  if (command == 0x20) /* LOCAL: what follows is not looked at */
    return true;
  if (command != 0x21 || family > 3 || protocol > 2)
    return false;
  if (protocol != 1 || family == 0 || family == 3)
    return true;
  if (n < FIXED_BYTES + 2 * width + 4)
    return false;
  header->known = true;
  header->remote_port = port_at(address + 2 * width);
  header->local_port = port_at(address + 2 * width + 2);
  int its = family == 1 ? AF_INET : AF_INET6;
  return copy_address(header->remote_ip, its, address) &&
         copy_address(header->local_ip, its, address + width);
}

bool
proxyheader_parse(struct proxyheader *header, unsigned char const *bytes,
                  size_t n)
{
  memset(header, 0, sizeof *header);
  if (proxyheader_wants(bytes, n) != 0)
    return false;
  return is_binary(bytes, n) ? parse_binary(header, bytes, n)
                             : parse_line(header, bytes, n);
}
