#include "edge/ja4.h"

#include <stdint.h>
#include <string.h>

#include "tests/unit/tap.h"

static unsigned char hello[16384];
static size_t used;

static void
put(unsigned int value, size_t n)
{
  while (n--)
    hello[used++] = (unsigned char)(value >> 8 * n);
}

static void
put_bytes(char const *bytes, size_t n)
{
  memcpy(hello + used, bytes, n);
  used += n;
}

static void
put_list(uint16_t const *values, size_t n)
{
  put((unsigned int)(2 * n), 2);
  for (size_t i = 0; i < n; i++)
    put(values[i], 2);
}

/* Up to the extensions. */
static void
begin(unsigned int version, uint16_t const *ciphers, size_t n)
{
  used = 0;
  put(1, 1);
  put(0, 3);
  put(version, 2);
  for (int i = 0; i < 32; i++)
    put(0x5a, 1);
  put(3, 1);
  put_bytes("sid", 3);
  put_list(ciphers, n);
  put(1, 1);
  put(0, 1);
}

static void
put_extension(unsigned int type, char const *bytes, size_t n)
{
  put(type, 2);
  put((unsigned int)n, 2);
  put_bytes(bytes, n);
}

/* extensions: where their length stands, or 0. */
static char const *
finish(size_t extensions)
{
  static char out[JA4_BYTES];
  if (extensions) {
    hello[extensions] = (unsigned char)((used - extensions - 2) >> 8);
    hello[extensions + 1] = (unsigned char)(used - extensions - 2);
  }
  hello[2] = (unsigned char)((used - 4) >> 8);
  hello[3] = (unsigned char)(used - 4);
  return ja4_fingerprint(hello, used, out) ? out : "malformed";
}

static size_t
start_extensions(void)
{
  put(0, 2);
  return used - 2;
}

static uint16_t const browser_ciphers[] = {
    0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
    0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};

/* A browser's, whose fingerprint is widely known. */
static size_t
put_browser(char const *alpn, size_t n)
{
  static unsigned int const plain[] = {0x0017, 0xff01, 0x000a, 0x000b,
                                       0x0023, 0x0005, 0x0012, 0x0033,
                                       0x002d, 0x001b, 0x4469, 0x0015};
  begin(0x0303, browser_ciphers, 16);
  size_t at = start_extensions();
  put_extension(0x2a2a, "", 0);
  put_extension(0, "\0\3\0\0\0", 5);
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    put_extension(plain[i], "xx", 2);
  put_extension(13, "\0\20\4\3\10\4\4\1\5\3\10\5\5\1\10\6\6\1", 18);
  put_extension(16, alpn, n);
  put_extension(43, "\6\172\172\3\4\3\3", 7);
  return at;
}

static void
test_known(void)
{
  static uint16_t const mail[] = {0x00ff, 0x002f};
  tap_is_string(finish(put_browser("\0\14\2h2\10http/1.1", 14)),
                "t13d1516h2_8daaf6152771_e5627efa2ab1", "a browser's");
  begin(0x0301, mail, 2);
  tap_is_string(finish(0), "t10i020000_a5878986a7c9_000000000000",
                "without extensions");
  begin(0x0300, mail, 0);
  tap_is_string(finish(0), "ts3i000000_000000000000_000000000000",
                "without ciphers");
  begin(0x7f17, mail, 0);
  tap_is_string(finish(0), "t00i000000_000000000000_000000000000",
                "a version that is none");
}

static void
test_alpn(void)
{
  static struct {
    char const *bytes;
    size_t n;
    char const *wanted;
  } const cases[] = {
      {"\0\2\1h", 4, "hh"},
      {"\0\4\3\xab\xcd\xef", 6, "af"},
      {"\0\3\2h\x0f", 5, "6f"},
      {"\0\1\0", 3, "00"},
      {"", 0, "00"},
      {"\0\11\10http/1.1", 11, "h1"},
      {"\0\5\4h-\x80z", 7, "hz"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char start[11] = "", *name = strcpy(start, "t13d1516");
    char const *got = finish(put_browser(cases[i].bytes, cases[i].n));
    strcat(name, cases[i].wanted);
    tap_is_bytes(got, 10, start, 10, "ALPN");
  }
}

static void
test_many(void)
{
  static uint16_t many[700];
  for (uint16_t i = 0; i < 700; i++)
    many[i] = (uint16_t)(0x1000 + i);
  begin(0x0303, many, 700);
  size_t at = start_extensions();
  for (unsigned int i = 0; i < 700; i++)
    put_extension(0x2000 + i, "", 0);
  tap_is_bytes(finish(at), 11, "t12i999900_", 11, "more than 99");
  begin(0x0303, many, 99);
  tap_is_bytes(finish(0), 11, "t12i990000_", 11, "99");
  begin(0x0303, many, 98);
  tap_is_bytes(finish(0), 11, "t12i980000_", 11, "98");
}

/* Of every length: only the whole is one, or that without extensions. */
static void
test_cut(void)
{
  char out[JA4_BYTES];
  size_t at = put_browser("\0\3\2h2", 5);
  int taken = 0;
  finish(at);
  for (size_t n = 0; n < used; n++) {
    unsigned char part[4096];
    memcpy(part, hello, n);
    taken += ja4_fingerprint(part, n, out);
    if (n >= 4) {
      part[2] = (unsigned char)((n - 4) >> 8);
      part[3] = (unsigned char)(n - 4);
      taken += ja4_fingerprint(part, n, out);
    }
  }
  tap_is_number(taken, 1, "cut anywhere: only what ends before extensions");
  hello[0] = 2;
  tap_is_number(ja4_fingerprint(hello, used, out), 0, "no ClientHello");
}

int
main(void)
{
  test_known();
  test_alpn();
  test_many();
  test_cut();
  return tap_done();
}
