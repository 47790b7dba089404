#include "deliver/mboxquote.h"

#include <string.h>

#include "tests/unit/tap.h"

static struct {
  char const *name, *message, *wanted;
} const cases[] = {
    {"nothing", "", "\n"},
    {"a line", "a: b\n", "a: b\n\n"},
    {"a line without end", "a: b", "a: b\n\n"},
    {"an empty line at the end", "a\n\n", "a\n\n\n"},
    {"From at the start", "From a", ">From a\n\n"},
    {"From in a line", "a From b\n", "a From b\n\n"},
    {"From behind a line", "a\nFrom b\n", "a\n>From b\n\n"},
    {"quoted once", ">From a\n", ">>From a\n\n"},
    {"quoted twice", "a\n>>From a\n", "a\n>>>From a\n\n"},
    {"no blank", "From\nFromage\n", "From\nFromage\n\n"},
    {"a part at the end", "a\nFro", "a\nFro\n\n"},
    {"only From", "From ", ">From \n\n"},
    {"a part, then the whole", "FrFrom x\nFrom \n", "FrFrom x\n>From \n\n"},
    {"a quote in the word", "Fr>om x\n", "Fr>om x\n\n"},
    {"a part before a quote", "F>From x\n", "F>From x\n\n"},
    {"a quoted part", ">>Fro\n>", ">>Fro\n>\n\n"},
    {"CR", "a\r\nFrom b\r\n", "a\r\n>From b\r\n\n"},
};

/* In pieces of this size. */
static void
test(size_t piece)
{
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char const *message = cases[i].message;
    size_t n = strlen(message), used = 0;
    struct mboxquote quote = {0};
    char out[MBOXQUOTE_ROOM(64)];
    for (size_t from = 0; from < n; from += piece)
      used += mboxquote_piece(&quote, message + from,
                              n - from < piece ? n - from : piece, out + used);
    used += mboxquote_end(&quote, out + used);
    tap_is_bytes(out, used, cases[i].wanted, strlen(cases[i].wanted),
                 cases[i].name);
  }
}

int
main(void)
{
  test(1);
  test(3);
  test(64);
  return tap_done();
}
