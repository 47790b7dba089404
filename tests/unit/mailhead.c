#include "deliver/mailhead.h"

#include <string.h>

#include "tests/unit/tap.h"

static struct {
  char const *name, *message, *wanted; /* NULL: none */
} const cases[] = {
    {"brackets", "To: <a@b>\n\n", "a@b"},
    {"none", "To: a@b\n\n", "a@b"},
    {"another case", "tO : a@b\n\n", "a@b"},
    {"null", "To: <>\n\n", ""},
    {"the first of two", "To: a@b\nTo: c@d\n\n", "a@b"},
    {"behind others", "A: b\n c\nTo: a@b\n\n", "a@b"},
    {"blanks and CR", "To: \ta@b \r\n\r\n", "a@b"},
    {"in the body", "A: b\n\nTo: a@b\n", NULL},
    {"in a body behind CRLF", "A: b\r\n\r\nTo: a@b\r\n", NULL},
    {"a longer name", "To-X: a@b\n\n", NULL},
    {"in a folded line", "A: b\n To: a@b\n\n", NULL},
    {"folded", "To: a@b\n c\n\n", NULL},
    {"two addresses", "To: a@b, c@d\n\n", NULL},
    {"empty", "To:\n\n", NULL},
    {"cut short", "To: a@b", NULL},
    {"nothing", "", NULL},
};

int
main(void)
{
  struct address address;
  size_t behind;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int found = mailhead_address(cases[i].message, strlen(cases[i].message),
                                 "To", &address, &behind);
    tap_is_number(found, cases[i].wanted != NULL, cases[i].name);
    if (found && cases[i].wanted)
      tap_is_string(address.text, cases[i].wanted, cases[i].name);
  }
  static char const three[] = "A: b\nTo: a@b\nTo: <c@d>\nB: c\nTo: e@f\n\n";
  size_t n = strlen(three);
  tap_ok(mailhead_address(three, n, "To", &address, &behind), "the first");
  tap_ok(mailhead_next(three, n, "to", &address, &behind), "and the next");
  tap_is_string(address.text, "c@d", "... is the next");
  tap_ok(!mailhead_next(three, n, "To", &address, &behind),
         "not one behind others");
  return tap_done();
}
