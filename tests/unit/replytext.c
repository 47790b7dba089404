#include "smtpd/replytext.h"

#include <string.h>

#include "tests/unit/tap.h"

static struct replytext one, other;

/* The lines of text. */
static void
set(struct replytext *reply, char const *text)
{
  replytext_clear(reply);
  while (*text) {
    size_t n = strcspn(text, "\n");
    replytext_add(reply, text, n);
    replytext_end_line(reply);
    text += n + (text[n] == '\n');
  }
}

static struct {
  char const *name, *one, *other;
  bool same, exact;
} const cases[] = {
    {"the same", "250 a\n", "250 a\n", true, true},
    {"another text", "250 a\n", "250 b\n", true, false},
    {"another code", "250 a\n", "251 a\n", false, false},
    {"another code of the last line", "250-a\n250 b\n", "250-a\n550 b\n", false,
     false},
    {"more lines", "250-a\n250 b\n", "250 b\n", false, false},
    {"only a code", "250\n", "250 x\n", true, false},
    {"a part of a code", "25\n", "250 x\n", false, false},
    {"two of them", "25\n", "25\n", true, true},
    {"nothing", "\n", "250 x\n", false, false},
    {"nothing twice", "\n", "\n", true, true},
    {"escaped", "250 \x1b\n", "250 \\x1b\n", true, false},
};

static void
test_lines(unsigned int lines, bool whole, bool too_long)
{
  replytext_clear(&one);
  for (unsigned int i = 0; i < lines; i++) {
    replytext_add(&one, "250-", 4);
    replytext_end_line(&one);
  }
  tap_is_number(one.whole, whole, "whole, or as long as can be");
  tap_is_number(one.too_long, too_long, "... too long");
}

static void
test_bytes(unsigned int bytes, bool too_long)
{
  replytext_clear(&one);
  for (unsigned int i = 0; i < bytes; i++)
    replytext_add(&one, "2", 1);
  replytext_end_line(&one);
  tap_is_number(one.too_long, too_long, "a long line");
  tap_ok(one.whole && one.used <= sizeof one.text, "... is whole");
}

int
main(void)
{
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    set(&one, cases[i].one);
    set(&other, cases[i].other);
    tap_is_number(replytext_same(&one, &other, false), cases[i].same,
                  cases[i].name);
    tap_is_number(replytext_same(&other, &one, true), cases[i].exact,
                  "... exactly");
  }
  test_lines(1, false, false);
  test_lines(REPLYTEXT_LINES_MAX - 1, false, false);
  test_lines(REPLYTEXT_LINES_MAX, true, true);
  test_bytes(REPLYTEXT_MAX - 2, false);
  test_bytes(REPLYTEXT_MAX - 1, false);
  test_bytes(REPLYTEXT_MAX, true);
  return tap_done();
}
