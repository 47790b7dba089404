#include "deliver/smtpbody.h"

#include <string.h>

#include "tests/unit/tap.h"

static struct {
  char const *name, *message, *wanted;
} const cases[] = {
    {"nothing", "", ".\r\n"},
    {"a line", "a\n", "a\r\n.\r\n"},
    {"a line without end", "a", "a\r\n.\r\n"},
    {"a dot", ".\n", "..\r\n.\r\n"},
    {"a dot without end", ".", "..\r\n.\r\n"},
    {"dots", "..\na.b\n.c\n", "...\r\na.b\r\n..c\r\n.\r\n"},
    {"empty lines", "\n\na\n", "\r\n\r\na\r\n.\r\n"},
    {"CRLF", "a\r\nb\r\n", "a\r\nb\r\n.\r\n"},
    {"CR", "a\rb\r", "a\r\nb\r\n.\r\n"},
    {"CR and a dot", "a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
    {"LF, dot, CR", "a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
    {"CR CR LF", "a\r\r\n.\n", "a\r\n\r\n..\r\n.\r\n"},
    {"LF CR", "a\n\rb\n", "a\r\n\r\nb\r\n.\r\n"},
};

/* In pieces of this size. */
static void
test(size_t piece)
{
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char const *message = cases[i].message;
    size_t n = strlen(message), used = 0;
    struct smtpbody body = {0};
    char out[SMTPBODY_ROOM(32) + SMTPBODY_END_MAX];
    for (size_t from = 0; from < n; from += piece)
      used += smtpbody_piece(&body, message + from,
                             n - from < piece ? n - from : piece, out + used);
    used += smtpbody_end(&body, out + used);
    tap_is_bytes(out, used, cases[i].wanted, strlen(cases[i].wanted),
                 cases[i].name);
  }
}

int
main(void)
{
  test(1);
  test(2);
  test(32);
  return tap_done();
}
