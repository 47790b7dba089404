#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "lib/answers.h"

#define TEXT_MAX 65536

static struct answers answers;

/* Everything that is reported, one letter and a blank before each, one line
 * each, the input given in pieces of size bytes. */
static char const *
report(char const *bytes, size_t n, size_t size)
{
  static char text[TEXT_MAX];
  char *p = text;
  enum answers_result result = ANSWERS_MORE;
  answers_start(&answers);
  for (size_t i = 0; i < n && result != ANSWERS_BAD;) {
    size_t piece = n - i < size ? n - i : size;
    size_t taken;
    result = answers_feed(&answers, bytes + i, piece, &taken);
    i += taken;
    if (result == ANSWERS_MORE && taken != piece)
      p += sprintf(p, "short ");
    if (result == ANSWERS_LINE)
      p += sprintf(p, "L %.*s\n", (int)answers.used, answers.line);
    if (result == ANSWERS_LAST)
      p += sprintf(p, "E\n");
    if (result == ANSWERS_BAD)
      p += sprintf(p, "B\n");
  }
  *p = 0;
  return text;
}

static void
test_streams(void)
{
  static struct {
    char const *in;
    char const *reported;
  } const cases[] = {
      {"", ""},
      {"250 ok", ""},
      {"250 ok\n", "L 250 ok\n"},
      {"\n", "L \n"},
      {"250 a\n!550 b\n", "L 250 a\nL !550 b\n"},
      {"BDAT 3\nabc250 ok\n", "L 250 ok\n"},
      {"BDAT 3 LAST\nabc250 ok\n", "E\nL 250 ok\n"},
      {"BDAT 4\n250 BDAT 2 LAST\n\n\nx\n", "E\nL x\n"},
      {"BDAT 0\nBDAT 0 LAST\nx\n", "E\nL x\n"},
      {"bdat 7 last\n250 ok\nRSET\n", "E\nL RSET\n"},
      {"BDAT 0 LAST\nBDAT 0 LAST\n", "E\nE\n"},
      {"BDAT\n", "B\n"},
      {"BDAT x\n250 ok\n", "B\n"},
      {"BDAT 1 FIRST\n", "B\n"},
      {"BDAT 1234567890123456789\n", "B\n"},
      {"BDAT 5 LAST\nab", ""},
      {"MAIL FROM:<a@b>\nXNOTE queued=1\n",
       "L MAIL FROM:<a@b>\nL XNOTE queued=1\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t size = 1; size <= 40; size++)
      tap_is_string(report(cases[i].in, strlen(cases[i].in), size),
                    cases[i].reported, "reported");
}

static void
test_line_limit(void)
{
  static char line[COMMAND_LINE_MAX + 2];
  for (int excess = -1; excess <= 1; excess++) {
    size_t n = (size_t)(COMMAND_LINE_MAX + excess);
    memset(line, 'x', n);
    line[n - 1] = '\n';
    char const *wanted = excess > 0 ? "B" : "L";
    for (size_t size = 1; size <= n; size = size * 7 + 1)
      tap_is_bytes(report(line, n, size), 1, wanted, 1,
                   "a line of the longest length, one less, one more");
    tap_is_bytes(report(line, n, n), 1, wanted, 1, "... in one piece");
  }
  memset(line, 'x', sizeof line);
  tap_is_string(report(line, sizeof line, 1), "B\n", "a line without end");
}

/* A count as big as counts get is skipped, not held. */
static void
test_big_body(void)
{
  static char const head[] = "BDAT 999999999999999999 LAST\n";
  static char bytes[5000];
  size_t taken;
  answers_start(&answers);
  answers_feed(&answers, head, sizeof head - 1, &taken);
  tap_is_number((long long)answers.skip, 999999999999999999, "a big body");
  memset(bytes, '\n', sizeof bytes);
  tap_is_number(answers_feed(&answers, bytes, sizeof bytes, &taken),
                ANSWERS_MORE, "... is skipped");
  tap_is_number((long long)answers.skip, 999999999999999999 - sizeof bytes,
                "... and counted");
}

int
main(void)
{
  test_streams();
  test_line_limit();
  test_big_body();
  return tap_done();
}
