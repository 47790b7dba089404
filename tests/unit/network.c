#include "tests/unit/tap.h"

#include <string.h>

#include "lib/network.h"

static void
test_text(void)
{
  static struct {
    char const *address;
    unsigned int v4, v6;
    char const *text;
  } const cases[] = {
      {"192.0.2.255", 24, 56, "192.0.2.0/24"},
      {"192.0.2.255", 32, 56, "192.0.2.255/32"},
      {"192.0.2.255", 0, 56, "0.0.0.0/0"},
      {"192.0.2.255", 31, 56, "192.0.2.254/31"},
      {"192.0.2.255", 1, 56, "128.0.0.0/1"},
      {"::ffff:192.0.2.255", 20, 56, "192.0.0.0/20"},
      {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 24, 56,
       "2001:db8:ffff:ff00::/56"},
      {"2001:db8::1", 24, 128, "2001:db8::1/128"},
      {"2001:db8::1", 24, 0, "::/0"},
      {"2001:db8:ffff::", 24, 45, "2001:db8:fff8::/45"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct network network;
    char text[NETWORK_TEXT_MAX] = "";
    tap_ok(network_of(&network, cases[i].address, cases[i].v4, cases[i].v6),
           "%s is an address", cases[i].address);
    network_text(&network, text);
    tap_is_string(text, cases[i].text, "its network");
  }
}

static void
test_none(void)
{
  static char const *const cases[] = {"",  "unknown",  "1.2.3",     "1.2.3.4.5",
                                      ":", "1.2.3.4 ", "fe80::1%lo"};
  struct network network;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    tap_ok(!network_of(&network, cases[i], 24, 56), "no address: \"%s\"",
           cases[i]);
}

static void
test_equal(void)
{
  struct network a, b, c, d;
  network_of(&a, "192.0.2.1", 24, 56);
  network_of(&b, "::ffff:192.0.2.200", 24, 56);
  network_of(&c, "192.0.3.1", 24, 56);
  network_of(&d, "c000:200::", 24, 24);
  tap_ok(network_equals(&a, &b), "one network");
  tap_is_number((long long)network_hash(&a), (long long)network_hash(&b),
                "one hash");
  tap_ok(!network_equals(&a, &c) && network_hash(&a) != network_hash(&c),
         "another one");
  tap_ok(!network_equals(&a, &d) && network_hash(&a) != network_hash(&d),
         "the same bytes in IPv6");
}

static void
test_scan(void)
{
  static struct {
    char const *text, *wanted;
  } const cases[] = {
      {"192.0.2.7", "192.0.2.7/32"},
      {"192.0.2.7/32", "192.0.2.7/32"},
      {"192.0.2.7/24", "192.0.2.0/24"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"192.0.2.7/33", NULL},
      {"192.0.2.7/", NULL},
      {"192.0.2.7/x", NULL},
      {"192.0.2.7/-1", NULL},
      {"192.0.2.7/24/", NULL},
      {"2001:db8::1", "2001:db8::1/128"},
      {"2001:db8::1/128", "2001:db8::1/128"},
      {"2001:db8::1/32", "2001:db8::/32"},
      {"2001:db8::1/129", NULL},
      {"::ffff:192.0.2.7/24", "192.0.2.0/24"},
      {"::ffff:192.0.2.7/120", NULL},
      {"", NULL},
      {"/24", NULL},
      {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
       NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct network network;
    char text[NETWORK_TEXT_MAX] = "";
    bool is = network_scan(&network, cases[i].text);
    if (is)
      network_text(&network, text);
    tap_ok(is == (cases[i].wanted != NULL) &&
               (!is || !strcmp(text, cases[i].wanted)),
           "\"%s\" is %s", cases[i].text,
           cases[i].wanted ? cases[i].wanted : "none");
  }
}

static void
test_has(void)
{
  static struct {
    char const *network, *address;
    bool has;
  } const cases[] = {
      {"192.0.2.0/24", "192.0.2.255", true},
      {"192.0.2.0/24", "192.0.3.0", false},
      {"192.0.2.0/24", "::ffff:192.0.2.1", true},
      {"192.0.2.0/24", "unknown", false},
      {"0.0.0.0/0", "192.0.2.1", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "192.0.2.1", false},
      {"::/0", "2001:db8::1", true},
      {"2001:db8::/56", "2001:db8:0:ff::1", true},
      {"2001:db8::/56", "2001:db8:0:100::1", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct network network = {0};
    network_scan(&network, cases[i].network);
    tap_ok(network_has(&network, cases[i].address) == cases[i].has, "%s %s %s",
           cases[i].network, cases[i].has ? "has" : "has not",
           cases[i].address);
  }
}

int
main(void)
{
  test_scan();
  test_has();
  test_text();
  test_none();
  test_equal();
  return tap_done();
}
