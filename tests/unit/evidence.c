#include "smtpd/evidence.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/tap.h"

#define BEGIN "V 0 1\n"

/* What comes of the text, taken in pieces of this size: for each record its
 * letter, time, number, and its bytes in brackets; then "!" and the line if it
 * is bad. */
static void
read_all(char const *text, size_t n, size_t size, char *out)
{
  struct evidence reader = {0};
  size_t at = 0;
  *out = 0;
  while (at < n) {
    struct evidence_piece piece;
    size_t taken, some = n - at < size ? n - at : size;
    enum evidence_result result =
        evidence_next(&reader, text + at, some, &taken, &piece);
    at += taken;
    out += strlen(out);
    if (result == EVIDENCE_BAD) {
      sprintf(out, "!%u", (unsigned int)reader.at);
      return;
    }
    if (result == EVIDENCE_MORE)
      continue;
    if (piece.first)
      out +=
          sprintf(out, "%c%llu,%llu[", piece.kind, (unsigned long long)piece.ms,
                  (unsigned long long)piece.number);
    memcpy(out, piece.bytes, piece.n);
    strcpy(out + piece.n, piece.last ? "]" : "");
  }
}

static struct {
  char const *name, *text, *wanted;
} const cases[] = {
    {"nothing", "", ""},
    {"a beginning", BEGIN, "V0,1[]"},
    {"its end is missing", "V 0 1", ""},
    {"each letter",
     BEGIN "P 1 2\nC 3 x\nS 4 y\nB 5 1\nz\nD 6 a\nT 7\nX 8\nE 9 quit\n",
     "V0,1[]P1,2[]C3,0[x]S4,0[y]B5,1[z]D6,0[a]T7,0[]X8,0[]E9,0[quit]"},
    {"escapes", BEGIN "C 1 \\r\\n\\\\\\x41\\x7e\\xfF~ \n",
     "V0,1[]C1,0[\r\n\\A~\377~ ]"},
    {"an empty text", BEGIN "S 1 \n", "V0,1[]S1,0[]"},
    {"no bytes", BEGIN "B 1 0\n\nT 2\n", "V0,1[]B1,0[]T2,0[]"},
    {"bytes like records", BEGIN "B 1 9\nE 1 quit\n\nT 2\n",
     "V0,1[]B1,9[E 1 quit\n]T2,0[]"},
    {"cut in a text", BEGIN "C 1 abc", "V0,1[]"},
    {"cut in bytes", BEGIN "B 1 9\n", "V0,1[]B1,9["},
    {"18 digits", BEGIN "P 123456789012345678 999999999999999999\n",
     "V0,1[]P123456789012345678,999999999999999999[]"},
    {"19 digits of a time", BEGIN "T 1234567890123456789\n", "V0,1[]!2"},
    {"19 digits of a number", BEGIN "P 1 1234567890123456789\n", "V0,1[]!2"},
    {"17 digits", BEGIN "P 12345678901234567 12345678901234567\n",
     "V0,1[]P12345678901234567,12345678901234567[]"},
    {"no beginning", "P 1 1\n", "!1"},
    {"another version", "V 0 2\n", "!1"},
    {"two beginnings", BEGIN BEGIN, "V0,1[]!2"},
    {"an unknown letter", BEGIN "A 1 x\n", "V0,1[]!2"},
    {"no letter", BEGIN "\n", "V0,1[]!2"},
    {"no blank", BEGIN "T1\n", "V0,1[]!2"},
    {"two blanks", BEGIN "T  1\n", "V0,1[]!2"},
    {"no time", BEGIN "T \n", "V0,1[]!2"},
    {"no number", BEGIN "P 1\n", "V0,1[]!2"},
    {"an empty number", BEGIN "P 1 \n", "V0,1[]!2"},
    {"a sign", BEGIN "P 1 +1\n", "V0,1[]!2"},
    {"a number too many", BEGIN "P 1 1 1\n", "V0,1[]!2"},
    {"a text too many", BEGIN "T 1 x\n", "V0,1[]!2"},
    {"no text", BEGIN "C 1\n", "V0,1[]!2"},
    {"a control character", BEGIN "C 1 \t\n", "V0,1[]!2"},
    {"DEL", BEGIN "C 1 \177\n", "V0,1[]!2"},
    {"eight bits", BEGIN "C 1 \200\n", "V0,1[]!2"},
    {"an unknown escape", BEGIN "C 1 \\t\n", "V0,1[]!2"},
    {"one digit", BEGIN "C 1 \\x1\n", "V0,1[]!2"},
    {"no hexadecimal digit", BEGIN "C 1 \\x1g\n", "V0,1[]!2"},
    {"more bytes than said", BEGIN "B 1 1\nab\n", "V0,1[]B1,1[a!2"},
    {"lines of bytes count", BEGIN "B 1 3\n\n\n\n\nA\n",
     "V0,1[]B1,3[\n\n\n]!7"},
    {"more behind the end", BEGIN "E 1 eof\nT 2\n", "V0,1[]E1,0[eof]!3"},
};

static void
test_cases(size_t size)
{
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[256];
    read_all(cases[i].text, strlen(cases[i].text), size, out);
    tap_is_string(out, cases[i].wanted, cases[i].name);
  }
}

/* A text of so many bytes comes in pieces of at most EVIDENCE_TEXT_MAX. */
static void
test_long(size_t n, unsigned int pieces)
{
  static char text[sizeof BEGIN "C 1 \n" + 4 * (EVIDENCE_TEXT_MAX + 1)];
  struct evidence reader = {0};
  struct evidence_piece piece;
  size_t taken, at = strlen(strcpy(text, BEGIN "C 1 ")), end = at, got = 0;
  unsigned int count = 0;
  for (size_t i = 0; i < n; i++)
    end += (size_t)sprintf(text + end, "\\x01");
  text[end++] = '\n';
  at = 0;
  while (evidence_next(&reader, text + at, end - at, &taken, &piece) ==
         EVIDENCE_PIECE) {
    at += taken;
    count += piece.kind == 'C';
    got += piece.n;
    for (size_t i = 0; i < piece.n; i++)
      if (piece.bytes[i] != 1)
        got = 0;
  }
  tap_is_number((long long)got, (long long)n, "a long text");
  tap_is_number(count, pieces, "... in pieces");
  tap_ok(piece.last, "... of which one is the last");
}

static void
test_escape(void)
{
  char all[256], text[sizeof BEGIN + 4 * sizeof all + 8];
  char out[sizeof text + 64], wanted[sizeof all + 64];
  for (int i = 0; i < 256; i++)
    all[i] = (char)(i < 255 ? i + 1 : '\\');
  size_t n = (size_t)sprintf(text, BEGIN "C 1 ");
  n += evidence_escape(all, sizeof all, text + n);
  text[n++] = '\n';
  read_all(text, n, sizeof text, out);
  size_t used = (size_t)sprintf(wanted, "V0,1[]C1,0[");
  memcpy(wanted + used, all, sizeof all);
  strcpy(wanted + used + sizeof all, "]");
  tap_is_string(out, wanted, "what is escaped comes back");
  n = evidence_escape("a\0\x1f\x7f\r\n\\~", 8, out);
  tap_is_bytes(out, n, "a\\x00\\x1f\\x7f\\r\\n\\\\~", 20, "as the page says");
}

int
main(void)
{
  test_cases(1);
  test_cases(3);
  test_cases(4096);
  test_long(EVIDENCE_TEXT_MAX - 1, 1);
  test_long(EVIDENCE_TEXT_MAX, 2);
  test_long(EVIDENCE_TEXT_MAX + 1, 2);
  test_escape();
  return tap_done();
}
