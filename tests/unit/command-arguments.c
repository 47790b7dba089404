/* Commands with a count or a value: BDAT, XNOTE. */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/command.h"

#define BYTES(literal) literal, sizeof literal - 1

static char const *
numbered(char const *what, size_t i)
{
  static char name[128];
  snprintf(name, sizeof name, "%s, case %zu", what, i);
  return name;
}

static void
test_bdat(void)
{
  static struct {
    char const *text;
    size_t n;
    int64_t wanted; /* -1: refused */
    bool last;
  } const cases[] = {
      {BYTES("0"), 0, false},
      {BYTES("0 LAST"), 0, true},
      {BYTES("13 last"), 13, true},
      {BYTES("13\t Last \t"), 13, true},
      {BYTES("13 "), 13, false},
      {BYTES("00000000000000013"), 13, false},
      {BYTES("000000000000000000"), 0, false},
      {BYTES("0000000000000000000"), -1, false},
      {BYTES("0000000000000000013"), -1, false},
      {BYTES("4294967295"), 4294967295, false},
      {BYTES("4294967296"), 4294967296, false},
      {BYTES("99999999999999999"), 99999999999999999, false},
      {BYTES("999999999999999999"), 999999999999999999, false},
      {BYTES("999999999999999999 LAST"), 999999999999999999, true},
      {BYTES("1000000000000000000"), -1, false},
      {BYTES("9223372036854775808"), -1, false},
      {BYTES("18446744073709551615"), -1, false},
      {BYTES("18446744073709551616"), -1, false},
      {BYTES("99999999999999999999999999 LAST"), -1, false},
      {BYTES(""), -1, false},
      {BYTES(" 13"), -1, false},
      {BYTES("LAST"), -1, false},
      {BYTES("13LAST"), -1, false},
      {BYTES("13 LASTS"), -1, false},
      {BYTES("13 LAS"), -1, false},
      {BYTES("13 LAST LAST"), -1, false},
      {BYTES("13 14"), -1, false},
      {BYTES("+13"), -1, false},
      {BYTES("-1"), -1, false},
      {BYTES("-0"), -1, false},
      {BYTES("0x10"), -1, false},
      {BYTES("1e3"), -1, false},
      {BYTES("1.0"), -1, false},
      {BYTES("1,000"), -1, false},
      {BYTES("1 000"), -1, false},
      {BYTES("13\0"), -1, false},
      {BYTES("13 LAST\0"), -1, false},
      {BYTES("1\0003"), -1, false},
      {BYTES("13 \0LAST"), -1, false},
      {BYTES("13\r"), -1, false},
      {BYTES("13 LAST\r"), -1, false},
      {BYTES("\xd9\xa1"), -1, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t bytes = 77;
    bool last = true;
    int got = command_bdat(cases[i].text, cases[i].n, &bytes, &last);
    int64_t wanted = cases[i].wanted;
    tap_is_number(got, wanted >= 0, numbered("BDAT", i));
    tap_is_number((long long)bytes, wanted >= 0 ? wanted : 77,
                  numbered("its count", i));
    tap_ok(last == (wanted >= 0 ? cases[i].last : true), "its LAST");
  }
}

static void
test_notes(void)
{
  static struct {
    char const *text;
    size_t n;
    char const *key; /* NULL: refused */
    char const *value;
  } const cases[] = {
      {BYTES("queued=50.2026"), "queued", "50.2026"},
      {BYTES("a.b_c-9="), "a.b_c-9", ""},
      {BYTES("a=+41+3D+09"), "a", "A=\t"},
      {BYTES("-=b"), "-", "b"},
      {BYTES("az09=b"), "az09", "b"},
      {BYTES("`=b"), NULL, NULL},
      {BYTES("{=b"), NULL, NULL},
      {BYTES("a=+0D"), "a", "\r"},
      {BYTES("a=+C3+A9"), "a", "\xc3\xa9"},
      {BYTES(""), NULL, NULL},
      {BYTES("="), NULL, NULL},
      {BYTES("=b"), NULL, NULL},
      {BYTES("a"), NULL, NULL},
      {BYTES("A=b"), NULL, NULL},
      {BYTES("a b=c"), NULL, NULL},
      {BYTES("a/b=c"), NULL, NULL},
      {BYTES("a\0=c"), NULL, NULL},
      {BYTES("a =c"), NULL, NULL},
      {BYTES("a= c"), NULL, NULL},
      {BYTES("a=b "), NULL, NULL},
      {BYTES("a=b=c"), NULL, NULL},
      {BYTES("a=+0A"), NULL, NULL},
      {BYTES("a=b+0Ac"), NULL, NULL},
      {BYTES("a=+00"), NULL, NULL},
      {BYTES("a=b\0"), NULL, NULL},
      {BYTES("a=\xc3\xa9"), NULL, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct note note = {"key", "value", 5};
    int refused = !cases[i].key;
    tap_is_number(command_note(cases[i].text, cases[i].n, &note), !refused,
                  numbered("XNOTE", i));
    tap_is_string(note.key, refused ? "key" : cases[i].key,
                  numbered("its key", i));
    tap_is_bytes(
        note.value, note.value_bytes, refused ? "value" : cases[i].value,
        strlen(refused ? "value" : cases[i].value), numbered("its value", i));
    tap_ok(note.value[note.value_bytes] == '\0', "... and its end");
  }
}

/* What every parser says of a line, as one number. */
static long long
verdict(char const *line, size_t n)
{
  struct envelope_command command = {0};
  struct note note = {0};
  uint64_t bytes = 0;
  bool last = false;
  size_t rest;
  long long sum = (long long)command_verb(line, n, &rest);
  char const *text = line + rest;
  n -= rest;
  sum = sum * 31 + (long long)rest;
  sum = sum * 2 + command_envelope(VERB_MAIL, text, n, ADDRESS_LAX, &command);
  sum = sum * 2 + command_envelope(VERB_RCPT, text, n, ADDRESS_LAX, &command);
  sum = sum * 2 + command_bdat(text, n, &bytes, &last);
  sum = sum * 2 + command_note(text, n, &note);
  for (size_t i = 0; i < command.parameters; i++)
    sum += (long long)(command.parameter[i].key_bytes * 100 +
                       command.parameter[i].value_bytes);
  return sum + (long long)bytes + last + (long long)note.value_bytes;
}

/* What stands behind the n bytes must not count. */
static void
test_truncated(void)
{
  static char const *const lines[] = {
      "MAIL FROM:<a@b>  SIZE=1 SMTPUTF8 a=b=c ",
      "RCPT TO:<@c,@d:\"a b\"@[192.0.2.1]> NOTE=ham",
      "BDAT 123456789 LAST ",
      "XNOTE a.b_c=+41+42cd",
      "!250 ok",
      "RSET",
  };
  static char const behind[] = " \t=Aa1>+\0";
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    int same = 1;
    for (size_t n = 0; n <= strlen(lines[i]); n++) {
      char text[128] = "";
      char *alone = malloc(n + 1);
      if (!alone)
        abort();
      memcpy(alone + 1, lines[i], n);
      long long wanted = verdict(alone + 1, n);
      free(alone);
      memcpy(text, lines[i], n);
      for (size_t j = 0; j < sizeof behind; j++) {
        memset(text + n, behind[j], sizeof text - n);
        same = same && verdict(text, n) == wanted;
      }
    }
    tap_ok(same, "cut at every byte: %s", lines[i]);
  }
}

static void
test_note_limits(void)
{
  static struct {
    size_t key, value;
    int wanted;
  } const cases[] = {
      {COMMAND_NOTE_KEY_MAX - 1, COMMAND_NOTE_VALUE_MAX - 1, 1},
      {COMMAND_NOTE_KEY_MAX, COMMAND_NOTE_VALUE_MAX, 1},
      {COMMAND_NOTE_KEY_MAX + 1, 1, 0},
      {1, COMMAND_NOTE_VALUE_MAX + 1, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[COMMAND_LINE_MAX];
    struct note note = {0};
    size_t n = cases[i].key;
    memset(text, 'k', n);
    text[n++] = '=';
    for (size_t j = 0; j < cases[i].value; j++, n += 3)
      memcpy(text + n, "+7e", 3);
    tap_is_number(command_note(text, n, &note), cases[i].wanted,
                  numbered("lengths of a note", i));
    if (cases[i].wanted) {
      tap_is_number((long long)strlen(note.key), (long long)cases[i].key,
                    "... its key");
      tap_is_number((long long)strlen(note.value), (long long)cases[i].value,
                    "... its value");
    }
  }
}

int
main(void)
{
  test_bdat();
  test_notes();
  test_note_limits();
  test_truncated();
  return tap_done();
}
