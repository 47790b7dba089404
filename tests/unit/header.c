#include "filters/header.h"

#include <string.h>

#include "tests/unit/tap.h"

static struct header header;

static size_t
feed(char const *text)
{
  header_start(&header);
  return header_feed(&header, text, strlen(text));
}

static void
test_end(void)
{
  static struct {
    char const *name;
    char const *text;
    size_t taken;
    int complete;
  } const table[] = {
      {"an empty line ends it", "A: b\n\nbody", 6, 1},
      {"no header", "\nbody", 1, 1},
      {"a CR before the LF", "A: b\r\n\r\nbody", 8, 1},
      {"no end yet", "A: b\n", 5, 0},
      {"a bare CR is no line", "A: b\n\rbody", 10, 0},
      {"two CR are no empty line", "A: b\n\r\r\nbody", 12, 0},
      {"a line of blanks is none", "A: b\n \nbody", 11, 0},
      {"nothing", "", 0, 0},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    tap_is_number((long long)feed(table[i].text), (long long)table[i].taken,
                  table[i].name);
    tap_ok(header.complete == (table[i].complete != 0), "... complete or not");
  }
}

static void
test_limit(void)
{
  static char text[HEADER_MAX + 1];
  memset(text, 'x', sizeof text);
  header_start(&header);
  tap_is_number((long long)header_feed(&header, text, HEADER_MAX - 1),
                HEADER_MAX - 1, "one byte below the limit");
  tap_ok(!header.complete, "... is not complete");
  tap_is_number((long long)header_feed(&header, text, 2), 1, "at the limit");
  tap_ok(header.complete, "... it is complete");
  tap_is_number((long long)header_feed(&header, text, 1), 0, "... and full");
}

/* The nth field's value as rules see it; "none" if it is not there. */
static char const *
value(char const *text, size_t nth, char const *name)
{
  static char out[64];
  struct header_field field;
  size_t at = 0;
  feed(text);
  while (header_next(&header, &at, &field))
    if (nth-- == 0) {
      if (!header_is(&field, name))
        return "another name";
      header_value(&field, out, sizeof out);
      return out;
    }
  return "none";
}

static void
test_fields(void)
{
  static struct {
    char const *name;
    char const *text;
    size_t nth;
    char const *field;
    char const *wanted;
  } const table[] = {
      {"a field", "Subject: Hi\n\n", 0, "subject", "hi"},
      {"at the end of all bytes", "Subject: Hi", 0, "Subject", "hi"},
      {"the second", "A: 1\nB: 2\n\n", 1, "b", "2"},
      {"no third", "A: 1\nB: 2\n\nC: 3\n", 2, "c", "none"},
      {"a prefix is another name", "Sub: 1\n\n", 0, "subject", "another name"},
      {"folded", "A: one\n two\n\t three\nB: x\n\n", 0, "a", "one two three"},
      {"... and what follows", "A: one\n two\nB: x\n\n", 1, "b", "x"},
      {"folded before any text", "A:\n  one\n\n", 0, "a", "one"},
      {"CR at line ends", "A: one\r\n two\r\n\r\n", 0, "a", "one two"},
      {"blanks before the colon", "A \t: one\n\n", 0, "a", "one"},
      {"empty", "A:\nB: x\n\n", 0, "a", ""},
      {"no field", "no colon\nB: x\n\n", 0, "b", "x"},
      {"an envelope line", "From a@b Mon 10:00\nB: x\n\n", 0, "b", "x"},
      {"no name", ": y\nB: x\n\n", 0, "b", "x"},
      {"a fold under no field", " A: y\n A: z\nB: x\n\n", 0, "b", "x"},
      {"a control character in the name", "A\001: y\nB: x\n\n", 0, "b", "x"},
      {"an 8-bit byte in the name", "\303\244: y\nB: x\n\n", 0, "b", "x"},
      {"control characters are blanks", "A: \001x\r\vy\177\n\n", 0, "a", "x y"},
      {"8-bit bytes stay", "A: \303\204\n\n", 0, "a", "\303\204"},
      {"a long value is cut",
       "A: "
       "0123456789012345678901234567890123456789012345678901234567890123\n\n",
       0, "a",
       "012345678901234567890123456789012345678901234567890123456789012"},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    tap_is_string(value(table[i].text, table[i].nth, table[i].field),
                  table[i].wanted, table[i].name);
}

static void
test_encoded_words(void)
{
  static char const *const table[][2] = {
      {"=?utf-8?Q?Out_of_=4Fffice?=", "out of office"},
      {"=?UTF-8?b?T3V0IG9mIG9mZmljZQ==?=", "out of office"},
      {"=?x?B?T3V0?= =?x?B?IG9m?=", "out of"},
      {"=?x?q?a?=\n =?x?q?b?=\n c", "ab c"},
      {"Re: =?x?q?a?= b", "re: a b"},
      {"=?x?q?a=?=", "a="},
      {"=?x?q?a=4?=", "a=4"},
      {"=?x?q?=00=0A=7F?=", ""},
      {"=?x?b?!T!3!V0?=", "out"},
      {"=?x?q?a b?=", "=?x?q?a b?="},
      {"=?x?z?a?=", "=?x?z?a?="},
      {"=??q?a?=", "=??q?a?="},
      {"=?x?q?a?", "=?x?q?a?"},
      {"=?x?q?a", "=?x?q?a"},
      {"=?x?q?", "=?x?q?"},
      {"=?x?q", "=?x?q"},
      {"=?x?", "=?x?"},
      {"=?x", "=?x"},
      {"=?", "=?"},
      {"=", "="},
      {"=?x?q?\?=", ""},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    char text[80] = "A: ";
    strcat(text, table[i][0]);
    tap_is_string(value(text, 0, "a"), table[i][1], "encoded words");
  }
}

int
main(void)
{
  test_end();
  test_limit();
  test_fields();
  test_encoded_words();
  return tap_done();
}
