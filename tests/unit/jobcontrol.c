/* The control file's text: every odd value that is allowed, and every key and
 * value that is not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jobcontrol.h"
#include "tests/unit/tap.h"

static struct jobcontrol const sample = {.data_path = "/q/data/4/2/50.name",
                                         .data_bytes = 13,
                                         .seconds = 1795218626,
                                         .microseconds = 42,
                                         .host = "vm"};

#define HEAD                                                                   \
  "QDFN: /q/data/4/2/50.name\nQDSB: 13\nQSTT: 1795218626\nQSTM: 42\n"          \
  "QSHN: vm\n"

static char out[200 * 1024];

static void
gives(struct metadata const *metadata, size_t count, char const *wanted,
      size_t wanted_bytes)
{
  size_t n = jobcontrol_format(&sample, metadata, count, out, sizeof out);
  tap_is_bytes(out, n, wanted, wanted_bytes, "control file");
}

static void
refused(char const *key, char const *value, size_t n, char const *what)
{
  struct metadata const line = {key, value, n};
  errno = 0;
  tap_ok(!jobcontrol_format(&sample, &line, 1, out, sizeof out), "no %s", what);
  tap_is_number(errno, EINVAL, "its errno");
}

static void
test_odd_values(void)
{
  static struct metadata const odd[] = {
      {"empty", "", 0},   {"colons", ": b: c", 6}, {"blanks", "  x  ", 5},
      {"tab", "a\tb", 3}, {"cr", "a\r", 2},        {"high", "\x80\xff\xe9", 3},
      {"k k", "v", 1},    {"Qab", "v", 1},         {"QABCD", "v", 1},
      {"qABC", "v", 1},
  };
  static char const wanted[] = HEAD "empty: \ncolons: : b: c\nblanks:   x  \n"
                                    "tab: a\tb\ncr: a\r\nhigh: \x80\xff\xe9\n"
                                    "k k: v\nQab: v\nQABCD: v\nqABC: v\n";
  gives(odd, sizeof odd / sizeof *odd, wanted, sizeof wanted - 1);
  gives(NULL, 0, HEAD, sizeof HEAD - 1);
}

static void
test_long_value(void)
{
  size_t n = 100000;
  char *value = malloc(n);
  char *wanted = malloc(sizeof HEAD - 1 + 3 + n + 1);
  if (!value || !wanted)
    abort();
  memset(value, 'x', n);
  memcpy(wanted, HEAD "k: ", sizeof HEAD + 2);
  memcpy(wanted + sizeof HEAD + 2, value, n);
  wanted[sizeof HEAD + 2 + n] = '\n';
  struct metadata const line = {"k", value, n};
  gives(&line, 1, wanted, sizeof HEAD + 2 + n + 1);
  free(value);
  free(wanted);
}

static void
test_refused(void)
{
  refused("Qabc", "v", 1, "key of Q and three bytes");
  refused("QDFN", "v", 1, "key of the format itself");
  refused("Q.::", "v", 1, "Q and three bytes with colons");
  refused("Q\xe2\x82\xac", "v", 1, "Q and one character of three bytes");
  refused("", "v", 1, "empty key");
  refused("a:b", "v", 1, "key with a colon");
  refused("a\nb", "v", 1, "key with a LF");
  refused("k", "a\nb", 3, "value with a LF");
  refused("k", "\n", 1, "value of a LF");
  refused("k", "a\0b", 3, "value with a NUL");
  struct metadata const twice[] = {{"k", "1", 1}, {"l", "2", 1}, {"k", "3", 1}};
  errno = 0;
  tap_ok(!jobcontrol_format(&sample, twice, 3, out, sizeof out),
         "no key twice");
  tap_is_number(errno, EINVAL, "its errno");
}

static void
test_bad_facts(void)
{
  struct jobcontrol control = sample;
  control.data_path = "data/4/2/x";
  tap_ok(!jobcontrol_format(&control, NULL, 0, out, sizeof out),
         "no relative data path");
  control.data_path = "/q\nQDFN: /etc/passwd";
  tap_ok(!jobcontrol_format(&control, NULL, 0, out, sizeof out),
         "no data path with a LF");
  control = sample;
  control.host = "";
  tap_ok(!jobcontrol_format(&control, NULL, 0, out, sizeof out),
         "no empty host");
  control.host = "a\nb";
  tap_ok(!jobcontrol_format(&control, NULL, 0, out, sizeof out),
         "no host with a LF");
}

static void
test_room(void)
{
  struct metadata const line = {"key", "value", 5};
  size_t n = jobcontrol_format(&sample, &line, 1, out, sizeof out);
  tap_is_number((long long)jobcontrol_format(&sample, &line, 1, out, n),
                (long long)n, "exactly enough room");
  errno = 0;
  tap_ok(!jobcontrol_format(&sample, &line, 1, out, n - 1), "one byte less");
  tap_is_number(errno, E2BIG, "its errno");
  errno = 0;
  tap_ok(!jobcontrol_format(&sample, NULL, 0, out, sizeof HEAD - 2),
         "no room for the first lines");
  tap_is_number(errno, E2BIG, "its errno");
  tap_ok(!jobcontrol_format(&sample, NULL, 0, out, 0), "no room at all");
}

int
main(void)
{
  test_odd_values();
  test_long_value();
  test_refused();
  test_bad_facts();
  test_room();
  return tap_done();
}
