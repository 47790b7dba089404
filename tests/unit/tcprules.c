#include "smtpd/tcprules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/rulecdb.h"
#include "tests/unit/tap.h"

#define BYTES(literal) literal, sizeof literal - 1

static char path[] = "/tmp/trapline-tcprules.XXXXXX";
static struct rulecdb_maker maker;

static void
put(char const *bytes, size_t n)
{
  int fd = open(path, O_WRONLY | O_TRUNC);
  if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
    printf("# unable to write %s\n", path);
  close(fd);
}

struct rule {
  char const *key;
  char const *data;
  size_t bytes;
};

static void
make(struct rule const *rule, size_t rules)
{
  rulecdb_free(&maker);
  rulecdb_start(&maker);
  for (size_t i = 0; i < rules; i++)
    rulecdb_add(&maker, rule[i].key, strlen(rule[i].key), rule[i].data,
                rule[i].bytes);
  rulecdb_finish(&maker);
  put(maker.bytes, maker.used);
}

static void
test_rules(void)
{
  static struct rule const rules[] = {
      {"192.0.2.1", BYTES("+FOUND=whole\0")},
      {"192.0.2.2", BYTES("D\0")},
      {"192.0.2.3", BYTES("")},
      {"192.0.2.", BYTES("+FOUND=24\0")},
      {"192.0.", BYTES("+FOUND=16\0")},
      {"192.", BYTES("D\0+FOUND=8\0")},
      {"198.51.100", BYTES("+FOUND=no dot\0")},
      {"198.51.100.9", BYTES("+FOUND=one\0+OTHER=a=b\0")},
      {"198.51.100.8", BYTES("+FOUND\0+FOUND=\0")},
      {"2001:db8::1", BYTES("+FOUND=v6\0")},
      {"2001:db8::", BYTES("+FOUND=::\0")},
      {"2001:db8:", BYTES("D\0")},
      {"2001:", BYTES("+FOUND=2001\0")},
      {"=", BYTES("D\0")},
      {"@203.0.113.1", BYTES("D\0")},
      {"unknown@203.0.113.1", BYTES("D\0")},
      {"", BYTES("+FOUND=default\0")},
  };
  static struct {
    char const *ip;
    int result;
    char const *found;
  } const cases[] = {
      {"192.0.2.1", 1, "whole"},    {"192.0.2.2", 0, NULL},
      {"192.0.2.3", 1, NULL},       {"192.0.2.20", 1, "24"},
      {"192.0.20.2", 1, "16"},      {"192.1.2.2", 0, "8"},
      {"19.2.0.2", 1, "default"},   {"198.51.100.7", 1, "default"},
      {"198.51.100.9", 1, "one"},   {"198.51.100.8", 1, ""},
      {"2001:db8::1", 1, "v6"},     {"2001:db8::2", 1, "::"},
      {"2001:db8:1::1", 0, NULL},   {"2001:db9::1", 1, "2001"},
      {"2001::1", 1, "2001"},       {"2002::1", 1, "default"},
      {"203.0.113.1", 1, "default"}};
  make(rules, sizeof rules / sizeof *rules);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsetenv("FOUND");
    tap_is_number(tcprules_apply(path, cases[i].ip), cases[i].result,
                  cases[i].ip);
    char const *found = getenv("FOUND");
    tap_is_string(found ? found : "none",
                  cases[i].found ? cases[i].found : "none",
                  "... and its variable");
  }
  char const *other = getenv("OTHER");
  tap_ok(other && !strcmp(other, "a=b"), "a second variable, with a = in it");
  make(rules, 1);
  tap_is_number(tcprules_apply(path, "203.0.113.1"), 1, "no rule: let in");
}

static bool
is_damaged(char const *ip)
{
  errno = 0;
  return tcprules_apply(path, ip) == -1 && errno == EPROTO;
}

static void
test_data(void)
{
  static char data[TCPRULES_DATA_MAX + 1] = "+FOUND=";
  memset(data + 7, 'x', sizeof data - 7);
  for (size_t n = TCPRULES_DATA_MAX - 1; n <= TCPRULES_DATA_MAX + 1; n++) {
    unsetenv("FOUND");
    data[n - 1] = 0;
    make(&(struct rule){"", data, n}, 1);
    if (n > TCPRULES_DATA_MAX)
      tap_ok(is_damaged("192.0.2.1"), "a rule too long");
    else
      tap_ok(tcprules_apply(path, "192.0.2.1") == 1 &&
                 strlen(getenv("FOUND")) == n - 8,
             "a rule of %zu bytes", n);
    data[n - 1] = 'x';
  }
  unsetenv("FOUND");
  make(&(struct rule){"", "D", 1}, 1);
  tap_ok(is_damaged("192.0.2.1"), "a rule without its end");
  make(&(struct rule){"", "+FOUND=1\0D", 10}, 1);
  tap_ok(is_damaged("192.0.2.1") && !getenv("FOUND"),
         "a second without its end: nothing of the first");
}

static void
test_damage(void)
{
  static char const zero[5000];
  size_t damaged = 0;
  make(&(struct rule){"192.0.2.1", BYTES("D\0")}, 1);
  size_t size = maker.used;
  for (size_t n = 0; n < size; n++) {
    put(maker.bytes, n);
    damaged += is_damaged("198.51.100.1"); /* whose rule is not in it */
  }
  tap_is_number((long long)damaged, (long long)size, "cut short anywhere");
  for (size_t i = 0; i < size; i++) {
    maker.bytes[i] = (char)~maker.bytes[i];
    put(maker.bytes, size);
    int r = tcprules_apply(path, "192.0.2.1");
    damaged += r >= -1 && r <= 1;
    maker.bytes[i] = (char)~maker.bytes[i];
  }
  tap_is_number((long long)damaged, (long long)(2 * size),
                "any byte may be another");
  put(zero, sizeof zero);
  tap_ok(is_damaged("192.0.2.1"), "zeros");
  put(BYTES("192.0.2.1:deny\n"));
  tap_ok(is_damaged("192.0.2.1"), "the text that rules are made from");
}

int
main(void)
{
  int fd = mkstemp(path);
  close(fd);
  test_rules();
  test_data();
  test_damage();
  rulecdb_free(&maker);
  unlink(path);
  errno = 0;
  tap_ok(tcprules_apply(path, "192.0.2.1") == -1 && errno == ENOENT, "no file");
  errno = 0;
  tap_ok(tcprules_apply("/", "192.0.2.1") == -1 && errno != ENOENT,
         "a directory");
  return tap_done();
}
