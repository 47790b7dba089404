#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "edge/denylist.h"

#define NETWORKS_MAX 8

static struct denied entries[NETWORKS_MAX];

/* until: in seconds after now. */
static void
add(struct denylist *list, char const *network, int64_t until)
{
  network_scan(&entries[list->n].network, network);
  entries[list->n++].until_ms = until ? list->now_ms + until * 1000 : 0;
}

static char text[8192];

static void
put_rules(FILE *file, struct denylist const *list)
{
  denylist_put_rules(file, list, "deny");
}

static void
is_put(struct denylist const *list,
       void (*put)(FILE *file, struct denylist const *list), char const *wanted,
       char const *name)
{
  text[0] = 0;
  FILE *file = fmemopen(text, sizeof text, "w");
  if (!file)
    exit(1);
  put(file, list);
  fclose(file);
  tap_is_string(text, wanted, name);
}

static void
test_rules(void)
{
  static struct {
    char const *network;
    char const *rules;
  } const cases[] = {
      {"192.0.2.0/24", "192.0.2.:deny\n"},
      {"192.0.0.0/16", "192.0.:deny\n"},
      {"192.0.0.0/8", "192.:deny\n"},
      {"192.0.2.7", "192.0.2.7:deny\n"},
      {"192.0.2.0/25", ""},
      {"0.0.0.0/0", ""},
      {"2001:db8:1:2::/64", "2001:db8:1:2::deny\n"},
      {"2001:db8:1::/48", "2001:db8:1::deny\n"},
      {"2001:db8:1::/64", "2001:db8:1:0::deny\n2001:db8:1:::deny\n"},
      {"2001:db8::/48", "2001:db8:0::deny\n2001:db8:::deny\n"},
      {"2001:db8:0:2::/64", "2001:db8:0:2::deny\n"},
      {"2001:db8::/64", "2001:db8:0:0::deny\n"},
      {"2001:db8::/56", ""},
      {"2001::/16", "2001::deny\n"},
      {"::/16", "0::deny\n"},
      {"2001:db8::1", "2001:db8::1:deny\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct denylist list = {.entries = entries};
    add(&list, cases[i].network, 0);
    is_put(&list, put_rules, cases[i].rules, cases[i].network);
    tap_is_number(denylist_fits(&entries[0].network), cases[i].rules[0] != 0,
                  "whether it fits");
  }
}

static void
test_forms(void)
{
  struct denylist list = {.entries = entries, .now_ms = 1700000000000};
  add(&list, "192.0.2.0/24", 3600);
  add(&list, "198.51.0.0/16", 0);
  add(&list, "2001:db8:1::/64", 1);
  is_put(&list, denylist_put_text,
         "192.0.2.0/24\t2023-11-14T23:13:20Z\n"
         "198.51.0.0/16\tnever\n"
         "2001:db8:1::/64\t2023-11-14T22:13:21Z\n",
         "text");
  is_put(&list, denylist_put_ip4set,
         ":127.0.0.2:Refused too often\n192.0.2.0/24\n198.51.0.0/16\n",
         "ip4set");
  is_put(&list, denylist_put_ip6trie,
         ":127.0.0.2:Refused too often\n2001:db8:1::/64\n", "ip6trie");
  is_put(&list, denylist_put_nft,
         "add table inet trapline\n"
         "add set inet trapline denied4 "
         "{ type ipv4_addr; flags interval, timeout; }\n"
         "flush set inet trapline denied4\n"
         "add set inet trapline denied6 "
         "{ type ipv6_addr; flags interval, timeout; }\n"
         "flush set inet trapline denied6\n"
         "add element inet trapline denied4 { 192.0.2.0/24 timeout 3600s }\n"
         "add element inet trapline denied4 { 198.51.0.0/16 }\n"
         "add element inet trapline denied6 { 2001:db8:1::/64 timeout 1s }\n",
         "nft");
}

static void
test_covers(void)
{
  static struct {
    char const *network, *other;
    bool covers;
  } const cases[] = {
      {"192.0.2.0/24", "192.0.2.0/24", true},
      {"192.0.0.0/16", "192.0.2.0/24", true},
      {"192.0.2.0/24", "192.0.0.0/16", false},
      {"192.0.2.0/24", "192.0.3.0/24", false},
      {"0.0.0.0/0", "::/0", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "192.0.2.1", false},
      {"2001:db8::/56", "2001:db8:0:100::/64", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct network network = {0}, other = {0};
    network_scan(&network, cases[i].network);
    network_scan(&other, cases[i].other);
    tap_is_number(denylist_covers(&network, &other), cases[i].covers,
                  cases[i].other);
  }
}

int
main(void)
{
  test_rules();
  test_forms();
  test_covers();
  return tap_done();
}
