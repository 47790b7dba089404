#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "lib/addressdomain.h"

#define BYTES(literal) literal, sizeof literal - 1

/* The bytes that a function takes of n bytes of memory of their own, -1 for
 * NULL. */
static long long
taken(char const *(*end_of)(char const *, char const *, enum address_mode),
      char const *bytes, size_t n, enum address_mode mode)
{
  char *text = malloc(n + 1);
  if (!text)
    abort();
  memcpy(text + 1, bytes, n);
  char const *end = end_of(text + 1, text + 1 + n, mode);
  long long result = end ? end - text - 1 : -1;
  free(text);
  return result;
}

static char const *
utf8(char const *p, char const *end, enum address_mode mode)
{
  (void)mode;
  return addressdomain_utf8(p, end);
}

static void
test_utf8(void)
{
  static struct {
    char const *text;
    size_t n;
    int wanted;
  } const cases[] = {
      {BYTES(""), -1},
      {BYTES("a"), -1},
      {BYTES("\xc2"), -1},
      {BYTES("\xc2\x80"), 2},
      {BYTES("\xdf\xbf"), 2},
      {BYTES("\xc1\xbf"), -1},
      {BYTES("\xc2\x7f"), -1},
      {BYTES("\xc2\xc0"), -1},
      {BYTES("\xe0\xa0"), -1},
      {BYTES("\xe0\xa0\x80"), 3},
      {BYTES("\xe0\x9f\xbf"), -1},
      {BYTES("\xed\x9f\xbf"), 3},
      {BYTES("\xed\xa0\x80"), -1},
      {BYTES("\xef\xbf\xbf"), 3},
      {BYTES("\xf0\x90\x80"), -1},
      {BYTES("\xf0\x90\x80\x80"), 4},
      {BYTES("\xf0\x8f\xbf\xbf"), -1},
      {BYTES("\xf4\x8f\xbf\xbf"), 4},
      {BYTES("\xf4\x90\x80\x80"), -1},
      {BYTES("\xf5\x80\x80\x80"), -1},
      {BYTES("\xf0\x90\x80"
             "a"),
       -1},
      {BYTES("\xc3\xa9\xc3\xa9"), 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    tap_is_number(taken(utf8, cases[i].text, cases[i].n, ADDRESS_STRICT),
                  cases[i].wanted, "UTF-8");
}

struct domain_case {
  char const *text;
  int lax, strict;
};

static void
test_names(void)
{
  static struct domain_case const cases[] = {
      {"", -1, -1},
      {"a", 1, 1},
      {"a.b-c.example", 13, 13},
      {"a.", 2, -1},
      {"a..", 2, -1},
      {"a-", 2, -1},
      {"-a", 2, -1},
      {"a_b", 3, 1},
      {".", -1, -1},
      {"a>b", 1, 1},
      {"a b", 1, 1},
      {"\xc3\xa9.\xc3\xa9", 5, 5},
      {"a\xff", 2, -1},
      {"[192.0.2.1]", -1, -1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t n = strlen(cases[i].text);
    tap_is_number(taken(addressdomain_name, cases[i].text, n, ADDRESS_LAX),
                  cases[i].lax, cases[i].text);
    tap_is_number(taken(addressdomain_name, cases[i].text, n, ADDRESS_STRICT),
                  cases[i].strict, cases[i].text);
  }
}

static void
test_literals(void)
{
  static struct domain_case const cases[] = {
      {"", -1, -1},
      {"a", -1, -1},
      {"[", -1, -1},
      {"[]", -1, -1},
      {"[1", -1, -1},
      {"[192.0.2.1]", 11, 11},
      {"[192.0.2.1]]", 11, 11},
      {"[192.0.2.1", -1, -1},
      {"[192.0.2.", -1, -1},
      {"[192.0.2.]", 10, -1},
      {"[x]", 3, -1},
      {"[x:", -1, -1},
      {"[x:]", 4, -1},
      {"[x:y]", 5, 5},
      {"[IPv6:::]", 9, 9},
      {"[IPv6:x]", 8, -1},
      {"[ipv6:1111:1111:1111:1111:1111:1111:255.255.255.255]", 52, 52},
      {"[ipv6:1111:1111:1111:1111:1111:1111:255.255.255.2555]", 53, -1},
      {"[ipv6:1111:1111:1111:1111:1111:1111:255.255.255.25555]", 54, -1},
      {"[x: ]", -1, -1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t n = strlen(cases[i].text);
    tap_is_number(taken(addressdomain_literal, cases[i].text, n, ADDRESS_LAX),
                  cases[i].lax, cases[i].text);
    tap_is_number(
        taken(addressdomain_literal, cases[i].text, n, ADDRESS_STRICT),
        cases[i].strict, cases[i].text);
  }
}

int
main(void)
{
  test_utf8();
  test_names();
  test_literals();
  return tap_done();
}
