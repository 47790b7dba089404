#include "filters/spamfield.h"

#include <string.h>

#include "tests/unit/tap.h"

struct text {
  size_t used;
  char bytes[512];
};

static void
put(void *context, char const *bytes, size_t n)
{
  struct text *text = context;
  memcpy(text->bytes + text->used, bytes, n);
  text->used += n;
}

static void
drop(char const *in, size_t piece, struct text *text)
{
  struct spamfield_output const output = {put, text};
  struct spamfield message;
  size_t n = strlen(in);
  text->used = 0;
  spamfield_begin(&message);
  for (size_t at = 0; at < n; at += piece)
    spamfield_drop(&message, in + at, n - at < piece ? n - at : piece, &output);
  spamfield_end(&message, &output);
}

static void
test_drop(void)
{
  static struct {
    char const *name;
    char const *in;
    char const *out;
  } const table[] = {
      {"none", "A: b\nC: d\n\nbody\n", "A: b\nC: d\n\nbody\n"},
      {"nothing at all", "", ""},
      {"the first", "X-Spam-Status: No\nA: b\n\n", "A: b\n\n"},
      {"the last", "A: b\nX-Spam-Flag: x\n\nbody", "A: b\n\nbody"},
      {"any case", "x-SPAM-x: y\nA: b\n", "A: b\n"},
      {"two", "X-Spam-A: 1\nX-Spam-B: 2\nA: b\n", "A: b\n"},
      {"with its folds", "X-Spam-A: 1\n 2\n\t3\nA: b\n c\n\n", "A: b\n c\n\n"},
      {"a fold of another", "A: b\n X-Spam-A: 1\n\n", "A: b\n X-Spam-A: 1\n\n"},
      {"a fold after one", "X-Spam-A: 1\nA: b\n X-Spam-\n", "A: b\n X-Spam-\n"},
      {"not in the body", "A: b\n\nX-Spam-A: 1\n", "A: b\n\nX-Spam-A: 1\n"},
      {"no header", "\nX-Spam-A: 1\n", "\nX-Spam-A: 1\n"},
      {"an empty line with CR", "A: b\r\n\r\nX-Spam-A: 1\n",
       "A: b\r\n\r\nX-Spam-A: 1\n"},
      {"a CR alone is no end", "A: b\n\rX-Spam-A: 1\nX-Spam-B: 2\n\n",
       "A: b\n\rX-Spam-A: 1\n\n"},
      {"almost", "X-Spa: 1\nX-SpamX: 2\nX-Spam: 3\n",
       "X-Spa: 1\nX-SpamX: 2\nX-Spam: 3\n"},
      {"cut short", "A: b\nX-Spam", "A: b\nX-Spam"},
      {"cut at a CR", "A: b\n\r", "A: b\n\r"},
      {"without its end", "A: b\nX-Spam-A: 1", "A: b\n"},
      {"a blank before the colon", "X-Spam-A : 1\nA: b\n", "A: b\n"},
      {"CR at line ends", "X-Spam-A: 1\r\n 2\r\nA: b\r\n\r\n", "A: b\r\n\r\n"},
  };
  struct text text;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    for (size_t piece = 1; piece <= 64; piece = piece < 9 ? piece + 1 : 64) {
      drop(table[i].in, piece, &text);
      tap_is_bytes(text.bytes, text.used, table[i].out, strlen(table[i].out),
                   table[i].name);
      if (piece == 64)
        break;
    }
}

static void
test_copy(void)
{
  static struct header header;
  static char const in[] = "A: b\r\nX-Spam-Flag: YES\r\nB: c\r\n"
                           "x-spam-report:\r\n\t* 1\n \n\t* 2\r\n"
                           "X-Spam: no\nX-Spam-Level: **";
  static char const out[] =
      "X-Spam-Flag: YES\nx-spam-report:\n\t* 1\n \n\t* 2\n";
  struct text text = {.used = 0};
  struct spamfield_output const output = {put, &text};
  header_start(&header);
  header_feed(&header, in, sizeof in - 1);
  spamfield_copy(&header, &output);
  tap_is_bytes(text.bytes, text.used, out, sizeof out - 1, "whole fields");
}

int
main(void)
{
  test_drop();
  test_copy();
  return tap_done();
}
