#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/control.h"

#define BYTES(literal) literal, sizeof literal - 1

static char directory[] = "/tmp/trapline-control.XXXXXX";

static void
put(char const *bytes, size_t n)
{
  int fd = open("control/f", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
    printf("# unable to write control/f\n");
  if (fd >= 0)
    close(fd);
}

static void
put_times(char c, size_t n, char const *behind)
{
  static char text[2 * CONTROL_LIST_MAX];
  memset(text, c, n);
  strcpy(text + n, behind);
  put(text, n + strlen(behind));
}

static void
test_lines(void)
{
  static struct {
    char const *in;
    size_t n;
    int result;
    char const *out;
  } const cases[] = {
      {BYTES("value\n"), 1, "value"},
      {BYTES("value"), 1, "value"},
      {BYTES("value \t \nmore\n"), 1, "value"},
      {BYTES("  in\tside "), 1, "  in\tside"},
      {BYTES(""), 1, ""},
      {BYTES("\nvalue\n"), 1, ""},
      {BYTES("# no comment\n"), 1, "# no comment"},
      {BYTES("M\xc3\xbcller\n"), 1, "M\xc3\xbcller"},
      {BYTES("x\n\0\r\n"), 1, "x"},
      {BYTES("dos\r\n"), -1, NULL},
      {BYTES("nul\0byte\n"), -1, NULL},
      {BYTES("esc\x1b[0m\n"), -1, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[100] = "as it was";
    put(cases[i].in, cases[i].n);
    errno = 0;
    int r = control_line("f", "fallback", out, sizeof out);
    tap_is_number(r, cases[i].result, "a value");
    if (cases[i].out)
      tap_is_string(out, cases[i].out, "... is this");
    else
      tap_ok(errno == EINVAL && !strcmp(out, "as it was"),
             "... a bad one changes nothing");
  }
}

static void
test_missing(void)
{
  char out[9] = "";
  uint64_t number = 42;
  char *entries[2];
  tap_ok(control_line("none", "12345678", out, sizeof out) == 0 &&
             !strcmp(out, "12345678"),
         "a missing file is its default");
  tap_ok(control_line("none", NULL, out, sizeof out) == 0 && !out[0],
         "... or empty");
  errno = 0;
  tap_ok(control_line("none", "123456789", out, sizeof out) == -1 &&
             errno == EINVAL,
         "a default too long for its room");
  tap_ok(control_number("none", 1, 9, &number) == 0 && number == 42,
         "a missing number stays as it is");
  errno = 0;
  tap_ok(control_list("none", entries, 2) == -1 && errno == ENOENT,
         "a missing list is an error");
}

static void
test_value_limit(void)
{
  char out[2 * CONTROL_VALUE_MAX];
  for (size_t n = CONTROL_VALUE_MAX - 1; n <= CONTROL_VALUE_MAX + 1; n++) {
    int wanted = n > CONTROL_VALUE_MAX ? -1 : 1;
    put_times('v', n, "\n");
    tap_is_number(control_line("f", NULL, out, sizeof out), wanted,
                  "a value of the longest length, one less, one more");
    tap_ok(wanted < 0 || strlen(out) == n, "... is whole");
    put_times('v', n, "");
    tap_is_number(control_line("f", NULL, out, sizeof out), wanted,
                  "... without LF");
  }
  for (size_t n = 8; n <= 10; n++) {
    put_times('v', n, "\n");
    tap_is_number(control_line("f", NULL, out, 10), n > 9 ? -1 : 1,
                  "a value as long as its room");
  }
  put_times('\n', 20000, "and a last remark\n");
  if (truncate("control/f", 30000) < 0) /* NULs too */
    printf("# unable to lengthen control/f\n");
  tap_ok(control_line("f", NULL, out, sizeof out) == 1 && !out[0],
         "what follows the first line has no limit");
}

static void
test_numbers(void)
{
  static struct {
    char const *in;
    uint64_t least, most, out;
    int result;
  } const cases[] = {
      {"0\n", 0, 9, 0, 1},
      {"007\n", 0, 9, 7, 1},
      {"4\n", 5, 7, 0, -1},
      {"5\n", 5, 7, 5, 1},
      {"6 \t\nremarks\n", 5, 7, 6, 1},
      {"7", 5, 7, 7, 1},
      {"8\n", 5, 7, 0, -1},
      {"18446744073709551614\n", 0, UINT64_MAX, UINT64_MAX - 1, 1},
      {"18446744073709551615\n", 0, UINT64_MAX, UINT64_MAX, 1},
      {"18446744073709551616\n", 0, UINT64_MAX, 0, -1},
      {"99999999999999999999999\n", 0, UINT64_MAX, 0, -1},
      {"000000000000000000000000000000000007\n", 0, 9, 0, -1},
      {"\n", 0, 9, 0, -1},
      {"", 0, 9, 0, -1},
      {"-1\n", 0, 9, 0, -1},
      {"+1\n", 0, 9, 0, -1},
      {" 1\n", 0, 9, 0, -1},
      {"1x\n", 0, 9, 0, -1},
      {"0x1\n", 0, 9, 0, -1},
      {"1.0\n", 0, 9, 0, -1},
      {"1 2\n", 0, 9, 0, -1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t out = 4711;
    put(cases[i].in, strlen(cases[i].in));
    errno = 0;
    int r = control_number("f", cases[i].least, cases[i].most, &out);
    tap_is_number(r, cases[i].result, "a number");
    tap_ok(r < 0 ? out == 4711 && errno == EINVAL : out == cases[i].out,
           "... and its value");
  }
  tap_is_string(control_error(), "control/f: want a whole number from 0 to 9",
                "the message names file and range");
}

/* The entries of a list, a bar behind each; or the errno. */
static char const *
joined(size_t most)
{
  static char text[1000];
  char *entries[10];
  errno = 0;
  int n = control_list("f", entries, most);
  if (n < 0)
    return errno == E2BIG ? "E2BIG" : errno == EINVAL ? "EINVAL" : "?";
  text[0] = 0;
  for (int i = 0; i < n; i++)
    strcat(strcat(text, entries[i]), "|");
  if (entries[n])
    return "not closed";
  if (n)
    free(entries[0]);
  return text;
}

static void
test_lists(void)
{
  static struct {
    char const *in;
    size_t n;
    char const *out;
  } const cases[] = {
      {BYTES(""), ""},
      {BYTES("\n\n \t\n# all\n  # are comments\n"), ""},
      {BYTES("a\nb"), "a|b|"},
      {BYTES("  a b \t\n\n#c\nd#e\n"), "a b|d#e|"},
      {BYTES("a\r\n"), "a\r|"},
      {BYTES("a\0b\n"), "EINVAL"},
      {BYTES("a\nb\n\0"), "EINVAL"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    put(cases[i].in, cases[i].n);
    tap_is_string(joined(10), cases[i].out, "a list");
  }
  put(BYTES("1\n2\n#\n3\n"));
  tap_is_string(joined(5), "1|2|3|", "room for one more entry");
  tap_is_string(joined(4), "1|2|3|", "room for the entries");
  tap_is_string(joined(3), "E2BIG", "room for one less");
  put(BYTES("# before\n\n \tfirst\n"));
  tap_is_string(joined(2), "first|",
                "the first can be freed, though comments "
                "and blanks stand before it");
}

static void
test_list_limit(void)
{
  char *entries[3];
  for (size_t n = CONTROL_LIST_MAX - 1; n <= CONTROL_LIST_MAX + 1; n++) {
    put_times('l', n - 1, "\n");
    errno = 0;
    int r = control_list("f", entries, 3);
    if (n > CONTROL_LIST_MAX)
      tap_ok(r == -1 && errno == E2BIG, "a list file too long");
    else
      tap_ok(r == 1 && strlen(entries[0]) == n - 1,
             "a list file of the longest length or one less");
    if (r == 1)
      free(entries[0]);
  }
  tap_is_string(control_error(), "control/f: file too long", "... is named");
}

static void
test_paths(void)
{
  char path[20];
  char out[300];
  static char deep[2000];
  setenv("TRAPLINE_CONTROL", "", 1);
  tap_ok(!control_path("me", path, sizeof path) && !strcmp(path, "control/me"),
         "an empty TRAPLINE_CONTROL is none");
  setenv("TRAPLINE_CONTROL", "else/where", 1);
  tap_ok(!control_path("me", path, 14) && !strcmp(path, "else/where/me"),
         "TRAPLINE_CONTROL, in just the room");
  errno = 0;
  tap_ok(control_path("me", path, 13) == -1 && errno == ENAMETOOLONG,
         "... in one byte less");
  memset(deep, 'd', sizeof deep - 1);
  setenv("TRAPLINE_CONTROL", deep, 1);
  tap_ok(control_line("me", "x", out, sizeof out) == -1 &&
             errno == ENAMETOOLONG &&
             !strcmp(control_error(), "me: path too long"),
         "a path too long");
  setenv("TRAPLINE_CONTROL", "/dev/null", 1);
  tap_ok(control_line("me", "x", out, sizeof out) == -1 && errno == ENOTDIR,
         "no directory is no missing file");
  unsetenv("TRAPLINE_CONTROL");
  mkdir("control/d", 0755);
  tap_ok(control_line("d", "x", out, sizeof out) == -1 && errno == EISDIR &&
             !strcmp(control_error(), "control/d: Is a directory"),
         "a directory is no value");
  mkfifo("control/p", 0644);
  tap_ok(control_line("p", "x", out, sizeof out) == 1 && !out[0],
         "a fifo does not block");
}

static void
test_me(void)
{
  char host[256] = "";
  char out[256];
  unlink("control/me");
  gethostname(host, sizeof host - 1);
  tap_ok(control_me(out, sizeof out) == 0 && !strcmp(out, host),
         "me: the host's name");
  put(BYTES("mx.trap.example \n"));
  rename("control/f", "control/me");
  tap_ok(control_me(out, sizeof out) == 1 && !strcmp(out, "mx.trap.example"),
         "me: what the file says");
}

int
main(void)
{
  unsetenv("TRAPLINE_CONTROL");
  tap_is_string(control_error(), "no error", "nothing failed so far");
  if (!mkdtemp(directory) || chdir(directory) || mkdir("control", 0755))
    return 1;
  test_lines();
  test_missing();
  test_value_limit();
  test_numbers();
  test_lists();
  test_list_limit();
  test_paths();
  test_me();
  unlink("control/me");
  unlink("control/f");
  unlink("control/p");
  rmdir("control/d");
  rmdir("control");
  return chdir("/") || rmdir(directory) || tap_done();
}
