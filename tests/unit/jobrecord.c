/* Control files of all hands: read, refused, written anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jobrecord.h"
#include "tests/unit/tap.h"

#define OWN "QDFN: /q/data/a/b/n\nQDSB: 3\nQSTT: 17\nQSTM: 4\nQSHN: vm\n"

static struct jobrecord record;
static char text[JOBRECORD_TEXT_MAX];

static char const *
parse_bytes(char const *bytes, size_t n)
{
  memcpy(text, bytes, n);
  return jobrecord_parse(&record, text, n);
}

static char const *
parse(char const *string)
{
  return parse_bytes(string, strlen(string));
}

static void
value_is(char const *key, char const *wanted)
{
  struct metadata const *line = jobrecord_find(&record, key);
  if (!wanted) {
    tap_ok(!line, "no line %s", key);
    return;
  }
  if (tap_ok(line != NULL, "a line %s", key))
    tap_is_bytes(line->value, line->value_bytes, wanted, strlen(wanted), key);
}

static void
test_good(void)
{
  tap_ok(!parse(OWN), "the five lines");
  tap_is_string(record.data_path, "/q/data/a/b/n", "data path");
  tap_ok(record.has_bytes, "bytes known");
  tap_is_number((long long)record.data_bytes, 3, "bytes");
  tap_is_number(record.seconds, 17, "seconds");
  tap_ok(!parse(OWN "a: : b: c\nk k:  v \n: empty\nx: \nQab: 1\nQABCD: 2\n"
                    "qABC: 3\nQabc: 4\ncr: x\r\n"),
         "odd keys and values");
  value_is("a", ": b: c");
  value_is("k k", " v ");
  value_is("", "empty");
  value_is("x", "");
  value_is("Qab", "1");
  value_is("cr", "x\r");
  tap_ok(!parse("a: 1\nQDFN: x\nb: 2\na: 3\nQDFN: y\n"), "any order, twice");
  value_is("a", "3");
  tap_is_string(record.data_path, "y", "the last one counts");
  tap_ok(!record.has_bytes, "bytes not known");
  tap_is_number(record.seconds, 0, "nor seconds");
  tap_ok(!parse("QDFN: x\n\nno separator\na:b\n\nb: 2\n"), "junk lines");
  value_is("b", "2");
  value_is("a", NULL);
  tap_ok(!parse("QDFN: x\nQDSB: 3x\nQSTT: -1\nQZZZ: 1\n"), "no numbers");
  tap_ok(!record.has_bytes && !record.seconds, "are not known");
  tap_ok(!parse_bytes("QDFN: x\na: b\0c\n\0\0", 16), "NULs");
  tap_is_number((long long)jobrecord_find(&record, "a")->value_bytes, 3,
                "stay in a value");
  tap_ok(!parse_bytes("QDFN: x\na\0b: c\n", 15), "a NUL in a key");
  value_is("a", NULL);
}

static void
test_damaged(void)
{
  char const *none = "no data file named";
  tap_is_string(parse(""), "cut short", "empty");
  tap_is_string(parse_bytes("\0\0\0", 3), "cut short", "all NULs");
  tap_is_string(parse("QDFN: x\na: b"), "cut short", "no last LF");
  tap_is_string(parse("QDFN: /q/da"), "cut short", "in QDFN");
  tap_is_string(parse("a: b\n"), none, "no QDFN");
  tap_is_string(parse("QDFN: \n"), none, "an empty one");
  tap_is_string(parse_bytes("QDFN: a\0b\n", 10), none, "one with a NUL");
  tap_is_string(parse("qdfn: x\n"), none, "not in capitals");
}

static void
test_limits(void)
{
  static char many[JOBRECORD_LINES_MAX * 10 + 100];
  static char again[sizeof many + 100];
  struct metadata const set[] = {{"1", "x", 1}, {"more", "y", 1}};
  int n = snprintf(many, sizeof many, "QDFN: x\n");
  for (int i = 1; i < JOBRECORD_LINES_MAX; i++)
    n += snprintf(many + n, sizeof many - (size_t)n, "%d: v\n", i);
  tap_ok(!parse(many), "so many lines");
  tap_is_number((long long)record.lines, JOBRECORD_LINES_MAX, "counted");
  snprintf(many + n, sizeof many - (size_t)n, "1: w\n");
  tap_ok(!parse(many), "one more with a known key");
  size_t used = jobrecord_format(&record, "/d", set, 1, again, sizeof again);
  tap_ok(used > 0, "as many, written anew");
  used = jobrecord_format(&record, "/d", set, 2, again, sizeof again);
  tap_is_number((long long)used, 0, "one more is not written");
  snprintf(many + n, sizeof many - (size_t)n, "more: w\n");
  tap_is_string(parse(many), "too many lines", "one more");
  memcpy(text, "QDFN: ", 6);
  memset(text + 6, 'a', sizeof text - 7);
  text[sizeof text - 1] = '\n';
  tap_ok(!jobrecord_parse(&record, text, sizeof text), "one long line");
}

static void
test_is_own(void)
{
  tap_ok(jobrecord_is_own("QDFN") && jobrecord_is_own("QZZZ"), "own keys");
  tap_ok(!jobrecord_is_own("Qabc") && !jobrecord_is_own("QAB") &&
             !jobrecord_is_own("QABCD") && !jobrecord_is_own("qABC"),
         "not own");
}

static void
test_format(void)
{
  char out[200];
  struct metadata const set[] = {
      {"a", "9", 1}, {"b", NULL, 0}, {"new", "x", 1}};
  static char const wanted[] = "QDFN: /d\nQDSB: 5\nQZZZ: z\nc: 3\na: 9\n"
                               "new: x\n";
  tap_ok(!parse("a: 1\nQDSB: 5\nQDFN: y\nQZZZ: z\nb: 2\nc: 3\n"), "a record");
  size_t n = jobrecord_format(&record, "/d", set, 3, out, sizeof out);
  tap_is_bytes(out, n, wanted, sizeof wanted - 1, "written anew");
  n = jobrecord_format(&record, "/d", set, 3, out, sizeof wanted - 1);
  tap_is_number((long long)n, sizeof wanted - 1, "just fits");
  n = jobrecord_format(&record, "/d", set, 3, out, sizeof wanted - 2);
  tap_is_number((long long)n, 0, "does not fit");
}

int
main(void)
{
  test_good();
  test_damaged();
  test_limits();
  test_is_own();
  test_format();
  return tap_done();
}
