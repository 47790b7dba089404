#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "lib/xtext.h"

/* A string literal and its length, NULs inside it counted. */
#define BYTES(literal) literal, sizeof literal - 1

static void
test_encode(void)
{
  static struct {
    char const *in;
    size_t n;
    char const *wanted;
  } const cases[] = {
      {BYTES(""), ""},
      {BYTES("!~user@a.example"), "!~user@a.example"},
      {BYTES("a+b=c"), "a+2Bb+3Dc"},
      {BYTES(" \t\r\n"), "+20+09+0D+0A"},
      {BYTES("\0\x7f\x80\xff"), "+00+7F+80+FF"},
      {BYTES("[UNAVAILABLE]"), "[UNAVAILABLE]"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[64];
    int n = xtext_encode(cases[i].in, cases[i].n, out, sizeof out);
    tap_is_number(n, (long long)strlen(cases[i].wanted), cases[i].wanted);
    tap_is_string(n < 0 ? "" : out, cases[i].wanted, cases[i].wanted);
  }
}

static void
test_decode(void)
{
  static struct {
    char const *in;
    size_t n;
    char const *wanted; /* NULL: refused */
  } const cases[] = {
      {BYTES(""), ""},
      {BYTES("!~user@a.example"), "!~user@a.example"},
      {BYTES("a+2Bb+3Dc"), "a+b=c"},
      {BYTES("+2b+ff"), "+\xff"},
      {BYTES("+aA+Ff+90"), "\xaa\xff\x90"},
      {BYTES("+20+09+0D+0A+7F"), " \t\r\n\x7f"},
      {BYTES("+01"), "\x01"},
      {BYTES("+10"), "\x10"},
      {BYTES("++2B"), NULL},
      {BYTES("+"), NULL},
      {BYTES("+4"), NULL},
      {BYTES("a+4"), NULL},
      {BYTES("+4G"), NULL},
      {BYTES("+4g"), NULL},
      {BYTES("+4`"), NULL},
      {BYTES("+4@"), NULL},
      {BYTES("+4:"), NULL},
      {BYTES("+4/"), NULL},
      {BYTES("+G4"), NULL},
      {BYTES("+ 4"), NULL},
      {BYTES("+-4"), NULL},
      {BYTES("+00"), NULL},
      {BYTES("a+00b"), NULL},
      {BYTES("a\0b"), NULL},
      {BYTES("+4\0"), NULL},
      {BYTES("a=b"), NULL},
      {BYTES("a b"), NULL},
      {BYTES("a\tb"), NULL},
      {BYTES("a\n"), NULL},
      {BYTES("\x7f"), NULL},
      {BYTES("\xc3\xa9"), NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[64];
    char name[64];
    char const *wanted = cases[i].wanted;
    int n = xtext_decode(cases[i].in, cases[i].n, out, sizeof out);
    snprintf(name, sizeof name, "decode, case %zu", i);
    tap_is_number(n, wanted ? (long long)strlen(wanted) : -1, name);
    if (wanted)
      tap_is_string(n < 0 ? "" : out, wanted, name);
  }
}

static void
test_every_byte(void)
{
  char in[255];
  char encoded[3 * sizeof in + 1];
  char decoded[sizeof in + 1];
  for (size_t i = 0; i < sizeof in; i++)
    in[i] = (char)(i + 1);
  int n = xtext_encode(in, sizeof in, encoded, sizeof encoded);
  tap_is_number(n, 92 + 3 * (255 - 92), "92 bytes stand for themselves");
  n = xtext_decode(encoded, (size_t)n, decoded, sizeof decoded);
  tap_is_bytes(decoded, n < 0 ? 0 : (size_t)n, in, sizeof in, "and back");
}

static void
test_room(void)
{
  static struct {
    char const *in;
    size_t size;
    int encoded, decoded;
  } const cases[] = {
      {"", 0, -1, -1},       {"", 1, 0, 0},         {"ab", 0, -1, -1},
      {"ab", 1, -1, -1},     {"ab", 2, -1, -1},     {"ab", 3, 2, 2},
      {"ab", 4, 2, 2},       {"+41+42", 2, -1, -1}, {"+41+42", 3, -1, 2},
      {"+41+42", 9, -1, 2},  {"+41+42", 10, -1, 2}, {"+41+42", 11, 10, 2},
      {"+41+42", 12, 10, 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[16];
    char name[64];
    size_t n = strlen(cases[i].in);
    snprintf(name, sizeof name, "\"%s\" into %zu bytes", cases[i].in,
             cases[i].size);
    memset(out, '#', sizeof out);
    tap_is_number(xtext_encode(cases[i].in, n, out, cases[i].size),
                  cases[i].encoded, name);
    tap_ok(out[cases[i].size] == '#', "... and no more");
    memset(out, '#', sizeof out);
    tap_is_number(xtext_decode(cases[i].in, n, out, cases[i].size),
                  cases[i].decoded, name);
    tap_ok(out[cases[i].size] == '#', "... and no more");
  }
}

int
main(void)
{
  test_encode();
  test_decode();
  test_every_byte();
  test_room();
  return tap_done();
}
