#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "lib/log.h"

/* What log_write() puts out, in a static array; its length in *n. */
static char const *
written(struct log *log, size_t *n)
{
  static char text[2 * LOG_LINE_MAX];
  int ends[2], kept = dup(2);
  if (kept < 0 || pipe(ends) < 0 || dup2(ends[1], 2) < 0)
    return "no pipe";
  close(ends[1]);
  log_write(log);
  dup2(kept, 2); /* closes the last writing end */
  close(kept);
  ssize_t r = read(ends[0], text, sizeof text - 1);
  char more;
  tap_ok(read(ends[0], &more, 1) == 0, "one write is the whole line");
  close(ends[0]);
  *n = r < 0 ? 0 : (size_t)r;
  text[*n] = 0;
  return text;
}

static void
is_line(struct log *log, char const *wanted)
{
  size_t n;
  tap_is_string(written(log, &n), wanted, "the line");
}

static void
test_fields(void)
{
  struct log log;
  log_start(&log, "message");
  is_line(&log, "unit: message\n");
  log_start(&log, "two words");
  log_string(&log, "plain", "a=b;[c]~!");
  log_string(&log, "empty", "");
  log_string(&log, "blank", "a b");
  log_string(&log, "quote", "\"\\");
  log_bytes(&log, "bytes", "\0\n\r\t\x1b\x7f\x80\xff", 8);
  log_bytes(&log, "part", "abc", 2);
  log_number(&log, "zero", 0);
  log_number(&log, "most", UINT64_MAX);
  is_line(&log, "unit: two words plain=a=b;[c]~! empty=\"\" blank=\"a b\" "
                "quote=\\x22\\x5c "
                "bytes=\\x00\\x0a\\x0d\\x09\\x1b\\x7f\\x80\\xff part=ab zero=0 "
                "most=18446744073709551615\n");
  log_start(&log, "ended");
  log_status(&log, 111 << 8);
  is_line(&log, "unit: ended exit=111\n");
  log_start(&log, "ended");
  log_status(&log, 9);
  is_line(&log, "unit: ended signal=9\n");
  log_start(&log, "said");
  log_said(&log, "none", "EHLO x", 6);
  log_said(&log, "some", "EHLO x\nauth PLAIN AGEAYg==\nAUTH", 31);
  log_said(&log, "cut", "AUTH PL", 3);
  log_said(&log, "only", "AUTH", 4);
  log_said(&log, "empty", "", 0);
  is_line(&log, "unit: said none=\"EHLO x\" some=\"EHLO x\\x0aauth\" "
                "cut=AUT only=AUTH empty=\"\"\n");
  log_start(&log, "times");
  log_seconds(&log, "a", 0);
  log_seconds(&log, "b", 7);
  log_seconds(&log, "c", 1999);
  log_seconds(&log, "d", 60000);
  log_seconds(&log, "e", UINT64_MAX);
  is_line(&log, "unit: times a=0.000 b=0.007 c=1.999 d=60.000 "
                "e=18446744073709551.615\n");
}

/* Every byte alone: the line stays one line of printable ASCII. */
static void
test_every_byte(void)
{
  int safe = 1;
  for (int c = 0; c < 256; c++) {
    struct log log;
    char byte = (char)c;
    log_start(&log, "x");
    log_bytes(&log, "k", &byte, 1);
    for (size_t i = 0; i < log.used; i++)
      safe &= log.line[i] >= 0x20 && log.line[i] <= 0x7e;
    safe &= memchr(log.line, '"', log.used) == NULL || c == ' ';
  }
  tap_ok(safe, "no byte comes out as it must not");
}

static void
test_value_limit(void)
{
  char value[LOG_VALUE_MAX + 2];
  char wanted[2 * LOG_VALUE_MAX];
  memset(value, 'v', sizeof value);
  for (size_t n = LOG_VALUE_MAX - 1; n <= LOG_VALUE_MAX + 1; n++) {
    struct log log;
    int kept = (int)(n < LOG_VALUE_MAX ? n : LOG_VALUE_MAX);
    snprintf(wanted, sizeof wanted, "unit: x k=%.*s%s\n", kept, value,
             n > LOG_VALUE_MAX ? "..." : "");
    log_start(&log, "x");
    log_bytes(&log, "k", value, n);
    is_line(&log, wanted);
  }
}

static void
test_line_limit(void)
{
  size_t const head = sizeof "unit: x" - 1;
  for (int excess = -1; excess <= 1; excess++) {
    struct log log;
    char value[LOG_VALUE_MAX];
    size_t n;
    size_t wanted = (size_t)(LOG_LINE_MAX + excess);
    size_t left = wanted - 1 - head; /* 1: the LF */
    memset(value, 'v', sizeof value);
    log_start(&log, "x");
    while (left) {
      size_t field = left > 200 ? 100 : left;
      log_bytes(&log, "k", value, field - 3);
      left -= field;
    }
    char const *line = written(&log, &n);
    tap_ok(excess > 0 ? n < LOG_LINE_MAX : n == wanted,
           "a line of %zu bytes: %zu written", wanted, n);
    tap_ok(n && line[n - 1] == '\n' && line[n - 2] == 'v', "... and whole");
  }
}

static void
test_full_line(void)
{
  char event[2 * LOG_LINE_MAX];
  struct log log;
  size_t n;
  memset(event, 'e', sizeof event - 1);
  event[sizeof event - 1] = 0;
  log_start(&log, event);
  log_string(&log, "key", "value");
  log_number(&log, "number", 1);
  log_seconds(&log, "seconds", 1);
  char const *line = written(&log, &n);
  tap_is_number((long long)n, LOG_LINE_MAX, "an event too long is cut");
  tap_ok(line[n - 1] == '\n' && line[n - 2] == 'e', "... fields are left out");
  log_start(&log, "x");
  memset(event, '\xff', LOG_VALUE_MAX);
  log_bytes(&log, "big", event, LOG_VALUE_MAX);
  log_string(&log, "small", "fits");
  is_line(&log, "unit: x small=fits\n");
}

static void
test_errno(void)
{
  struct log log;
  int kept = dup(2);
  log_start(&log, "x");
  errno = EXDEV;
  close(2);
  log_write(&log);
  tap_is_number(errno, EXDEV, "a failed write leaves errno alone");
  dup2(kept, 2);
  close(kept);
}

int
main(void)
{
  PROG = "unit";
  test_fields();
  test_every_byte();
  test_value_limit();
  test_line_limit();
  test_full_line();
  test_errno();
  return tap_done();
}
