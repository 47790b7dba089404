#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "edge/proxyheader.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\300\0\2\1\306\63\144\2\234\100\0\31" /* 40000 and 25 */
#define V6                                                                     \
  "\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\2"   \
  "\377\377\0\0"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\377\377\300\0\2\1"

static void
describe(struct proxyheader const *header, char *out, size_t size)
{
  if (header->known)
    snprintf(out, size, "%s %u %s %u", header->remote_ip,
             (unsigned int)header->remote_port, header->local_ip,
             (unsigned int)header->local_port);
  else
    snprintf(out, size, "unknown");
}

/* Read as a program would: never more than is wanted. NULL: it is none. */
static char const *
read_header(char const *bytes, size_t n, size_t *taken)
{
  static char text[200];
  struct proxyheader header;
  static unsigned char seen[PROXYHEADER_MAX];
  size_t used = 0;
  int wants;
  while ((wants = proxyheader_wants(seen, used)) > 0 &&
         used + (size_t)wants <= n) {
    memcpy(seen + used, bytes + used, (size_t)wants);
    used += (size_t)wants;
  }
  bool is = wants == 0 && proxyheader_parse(&header, seen, used);
  if (wants > 0)
    strcpy(text, "more");
  else if (is)
    describe(&header, text, sizeof text);
  *taken = used;
  return wants > 0 || is ? text : NULL;
}

#define CASE(bytes, wanted)                                                    \
  {                                                                            \
    bytes, sizeof bytes - 1, wanted                                            \
  }

static struct {
  char const *bytes;
  size_t n;
  char const *wanted;
} const cases[] = {
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\r\n",
         "192.0.2.1 40000 198.51.100.2 25"),
    CASE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
         "255.255.255.255 65535 255.255.255.255 65535"),
    CASE("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0 0 0.0.0.0 0"),
    CASE("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
         "2001:db8::1 1 2001:db8::2 2"),
    CASE("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1 1 ::1 2"),
    CASE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"),
    CASE("PROXY UNKNOWN\r\n", "unknown"),
    CASE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "unknown"),
    CASE("PROXY UNKNOWN what ever\r\n", "unknown"),
    CASE("PROXY UNKNOWNS\r\n", NULL),
    CASE("PROXY UNKNOWN \n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 40000 25 \r\n", NULL),
    CASE("PROXY TCP4  192.0.2.1 198.51.100.2 40000 25\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 100000 25\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 025 25\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 1 \r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1 198.51.100.2\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n", NULL),
    CASE("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", NULL),
    CASE("PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n", NULL),
    CASE("PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n", NULL),
    CASE("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1\0 198.51.100.2 1 2\r\n", NULL),
    CASE("proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n", NULL),
    CASE("PROXY\r\nEHLO client.example\r\n", NULL),
    CASE("EHLO client.example\r\n", NULL),
    CASE("PROXY TCP4 192.0.2.1", "more"),
    CASE("", "more"),
    CASE(SIGNATURE "\41\21\0\14" V4, "192.0.2.1 40000 198.51.100.2 25"),
    CASE(SIGNATURE "\41\21\0\23" V4 "\4\0\4tlvs",
         "192.0.2.1 40000 198.51.100.2 25"),
    CASE(SIGNATURE "\41\21\0\13" V4, NULL),
    CASE(SIGNATURE "\41\21\0\0", NULL),
    CASE(SIGNATURE "\41\41\0\44" V6, "2001:db8::1 65535 2001:db8::2 0"),
    CASE(SIGNATURE "\41\41\0\47" V6 "\4\0\0",
         "2001:db8::1 65535 2001:db8::2 0"),
    CASE(SIGNATURE "\41\41\0\43" V6, NULL),
    CASE(SIGNATURE "\41\41\0\44" MAPPED MAPPED "\0\1\0\2",
         "192.0.2.1 1 192.0.2.1 2"),
    CASE(SIGNATURE "\40\0\0\0", "unknown"),
    CASE(SIGNATURE "\40\21\0\14" V4, "unknown"),
    CASE(SIGNATURE "\40\377\0\1x", "unknown"),
    CASE(SIGNATURE "\41\0\0\0", "unknown"),
    CASE(SIGNATURE "\41\20\0\14" V4, "unknown"),
    CASE(SIGNATURE "\41\22\0\14" V4, "unknown"),
    CASE(SIGNATURE "\41\23\0\14" V4, NULL),
    CASE(SIGNATURE "\41\61\0\2ab", "unknown"),
    CASE(SIGNATURE "\41\101\0\14" V4, NULL),
    CASE(SIGNATURE "\42\21\0\14" V4, NULL),
    CASE(SIGNATURE "\21\21\0\14" V4, NULL),
    CASE(SIGNATURE "\61\21\0\14" V4, NULL),
    CASE(SIGNATURE "\41\21\0\15" V4, "more"),
    CASE("\r\n\r\n\0\r\nQUIT\r\41\21\0\14" V4, NULL),
};

static void
test_cases(void)
{
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t taken;
    char label[120] = "", wanted[200];
    for (size_t j = 0; j < cases[i].n && j < sizeof label - 1; j++)
      label[j] = cases[i].bytes[j] >= ' ' ? cases[i].bytes[j] : '.';
    char const *got = read_header(cases[i].bytes, cases[i].n, &taken);
    snprintf(wanted, sizeof wanted, "%s",
             cases[i].wanted ? cases[i].wanted : "none");
    tap_is_string(got ? got : "none", wanted, label);
    if (got && strcmp(got, "more") != 0)
      tap_is_number((long long)taken, (long long)cases[i].n,
                    "and no byte more");
  }
}

/* Behind a header is what the client says: not a byte of it is wanted. */
static void
test_exact(void)
{
  static char const line[] = "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nEHLO x\r\n";
  static char const binary[] = SIGNATURE "\41\21\0\14" V4 "EHLO x\r\n";
  size_t taken;
  read_header(line, sizeof line - 1, &taken);
  tap_is_number((long long)taken, 32, "a line, exactly");
  read_header(binary, sizeof binary - 1, &taken);
  tap_is_number((long long)taken, 28, "a binary header, exactly");
  tap_is_number(proxyheader_wants((unsigned char const *)binary, 29), -1,
                "a byte too much");
  tap_is_number(proxyheader_wants((unsigned char const *)line, 33), -1,
                "in text, too");
}

static void
test_limits(void)
{
  static unsigned char bytes[PROXYHEADER_MAX];
  struct proxyheader header;
  memcpy(bytes, "PROXY UNKNOWN ", 14);
  memset(bytes + 14, 'x', 200);
  memcpy(bytes + 105, "\r\n", 2);
  tap_is_number(proxyheader_wants(bytes, 106), 1, "106 bytes: one more");
  tap_ok(proxyheader_parse(&header, bytes, 107), "107 bytes are a line");
  bytes[106] = 'x';
  tap_is_number(proxyheader_wants(bytes, 107), -1, "and no end at 107 is none");
  memcpy(bytes, SIGNATURE "\41\21\377\377" V4, 28);
  tap_is_number(proxyheader_wants(bytes, 16), 65535, "the longest");
  tap_is_number(proxyheader_wants(bytes, PROXYHEADER_MAX - 1), 1,
                "all but one");
  tap_ok(proxyheader_parse(&header, bytes, PROXYHEADER_MAX) && header.known,
         "whole");
}

int
main(void)
{
  test_cases();
  test_exact();
  test_limits();
  return tap_done();
}
