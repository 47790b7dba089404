#include "filters/rule.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

static struct rule rule;
static char const *problem;

static enum rule_result
parse(char const *line, size_t n)
{
  char *copy = malloc(n ? n : 1); /* exactly n bytes, for the sanitizer */
  if (!copy)
    abort();
  memcpy(copy, line, n);
  problem = NULL;
  enum rule_result result = rule_parse(copy, n, &rule, &problem);
  free(copy);
  return result;
}

static struct {
  char const *line;
  enum rule_kind kind;
  char const *key;
  enum rule_code code;
  char const *text;
  char const *notes; /* each followed by a comma */
} const good[] = {
    {"a@b OK", RULE_ADDRESS, "a@b", RULE_OK, "", ""},
    {" \tA@B.Example.\t OK \t\r", RULE_ADDRESS, "a@b.example", RULE_OK, "", ""},
    {"<a@b> DENY no", RULE_ADDRESS, "a@b", RULE_DENY, "no", ""},
    {"</x@b> DENY", RULE_ADDRESS, "/x@b", RULE_DENY, "", ""},
    {"<@r:a@b> DENY", RULE_ADDRESS, "a@b", RULE_DENY, "", ""},
    {"postmaster OK", RULE_ADDRESS, "postmaster", RULE_OK, "", ""},
    {"\"Jo\\hn Doe\"@b OK", RULE_ADDRESS, "john doe@b", RULE_OK, "", ""},
    {"#a@b OK", 0, NULL, 0, NULL, NULL},
    {"", 0, NULL, 0, NULL, NULL},
    {" \t ", 0, NULL, 0, NULL, NULL},
    {"\r", 0, NULL, 0, NULL, NULL},
    {"@B.Example. OK", RULE_DOMAIN, "b.example", RULE_OK, "", ""},
    {"@[192.0.2.1] OK", RULE_DOMAIN, "[192.0.2.1]", RULE_OK, "", ""},
    {"@.B OK", RULE_TREE, "b", RULE_OK, "", ""},
    {"/a b/ OK", RULE_REGEX, "a b", RULE_OK, "", ""},
    {"/a/b/ OK", RULE_REGEX, "a/b", RULE_OK, "", ""},
    {"/A\\/ b/ OK", RULE_REGEX, "A\\/ b", RULE_OK, "", ""},
    {"/a\\\\/ OK", RULE_REGEX, "a\\\\", RULE_OK, "", ""},
    {"/a/\tOK", RULE_REGEX, "a", RULE_OK, "", ""},
    {"// OK / x", RULE_REGEX, "", RULE_OK, "/ x", ""},
    {"a DENYSOFT later", RULE_ADDRESS, "a", RULE_DENYSOFT, "later", ""},
    {"a DENY_DISCONNECT", RULE_ADDRESS, "a", RULE_DENY_DISCONNECT, "", ""},
    {"a DENYSOFT_DISCONNECT", RULE_ADDRESS, "a", RULE_DENYSOFT_DISCONNECT, "",
     ""},
    {"a DECLINED", RULE_ADDRESS, "a", RULE_DECLINED, "", ""},
    {"a OK [note=x]", RULE_ADDRESS, "a", RULE_OK, "", "x,"},
    {"a OK go [NOTE=x] on", RULE_ADDRESS, "a", RULE_OK, "go on", "x,"},
    {"a OK go[note=x]on", RULE_ADDRESS, "a", RULE_OK, "goon", "x,"},
    {"a OK [note=x] [note=Y.z_-9] t", RULE_ADDRESS, "a", RULE_OK, "t",
     "x,Y.z_-9,"},
    {"a OK [note=x][note=x]", RULE_ADDRESS, "a", RULE_OK, "", "x,"},
    {"a OK [note]x [not=e]", RULE_ADDRESS, "a", RULE_OK, "[note]x [not=e]", ""},
};

static void
test_good(void)
{
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    char notes[RULE_NOTES_MAX * (RULE_NOTE_MAX + 1) + 1] = "";
    enum rule_result result = parse(good[i].line, strlen(good[i].line));
    if (!good[i].key) {
      tap_ok(result == RULE_NONE, "no rule: '%s'", good[i].line);
      continue;
    }
    if (!tap_ok(result == RULE_READ, "rule: '%s'", good[i].line))
      continue;
    for (size_t n = 0; n < rule.notes; n++)
      strcat(strcat(notes, rule.note[n]), ",");
    tap_is_number(rule.kind, good[i].kind, "its kind");
    tap_is_bytes(rule.key, rule.key_bytes, good[i].key, strlen(good[i].key),
                 "its key");
    tap_is_number(rule.key[rule.key_bytes], 0, "its key ends in NUL");
    tap_is_string(rule_code_name(rule.code), rule_code_name(good[i].code),
                  "its code");
    tap_is_string(rule.text, good[i].text, "its text");
    tap_is_string(notes, good[i].notes, "its notes");
  }
}

static struct {
  char const *line;
  char const *problem; /* how it begins */
} const bad[] = {
    {"a@b", "no CODE"},
    {"a@b ", "no CODE"},
    {"@b", "no CODE"},
    {"/a/", "no CODE"},
    {"a@b ok", "unknown CODE"},
    {"a@b OKAY", "unknown CODE"},
    {"a@b O", "unknown CODE"},
    {"a@b DENY, no", "unknown CODE"},
    {"a b OK", "unknown CODE"},
    {"@ OK", "no domain"},
    {"@. OK", "no domain"},
    {"@.. OK", "no domain"},
    {"@a@b OK", "no domain"},
    {"@a<b OK", "no domain"},
    {"<> OK", "PATTERN"},
    {"<a@b OK", "PATTERN"},
    {"\"a b OK", "PATTERN"},
    {"/a OK", "regex does not end"},
    {"/a/i OK", "regex does not end"},
    {"/a\\/ OK", "regex does not end"},
    {"/", "regex does not end"},
    {"/\\", "regex does not end"},
    {"a OK [note=]", "bad note"},
    {"a OK [note=x", "bad note"},
    {"a OK [note=x y]", "bad note"},
    {"a OK [note=x=y]", "bad note"},
    {"a OK [note=\303\251]", "bad note"},
    {"a OK x\001y", "control character"},
    {"a\033@b OK", "control character"},
    {"a@b\rOK", "control character"},
};

static void
test_bad(void)
{
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    enum rule_result result = parse(bad[i].line, strlen(bad[i].line));
    if (tap_ok(result == RULE_BAD, "bad: '%s'", bad[i].line))
      tap_ok(!strncmp(problem, bad[i].problem, strlen(bad[i].problem)),
             "its problem: %s", problem);
  }
  tap_ok(parse("a@b OK x\0y", 10) == RULE_BAD, "bad: NUL in a line");
}

/* Limits at the edge, one below and one above. */
static void
test_limits(void)
{
  char line[RULE_LINE_MAX + 64];
  for (int over = -1; over <= 1; over++) {
    enum rule_result wanted = over > 0 ? RULE_BAD : RULE_READ;
    size_t n = (size_t)(RULE_LINE_MAX + over);
    memset(line, 'x', sizeof line);
    memcpy(line, "a OK ", 5);
    tap_ok(parse(line, n) == wanted, "a line of %zu bytes", n);
    line[n] = ' ';
    line[n + 1] = '\r';
    tap_ok(parse(line, n + 2) == wanted, "and blanks behind it");

    memset(line, 'x', sizeof line);
    line[0] = '/';
    memcpy(line + n - 4, "/ OK", 4);
    tap_ok(parse(line, n) == wanted, "a line with a regex of %zu bytes", n - 5);

    n = (size_t)(RULE_NOTE_MAX + over);
    strcpy(line, "a OK [note=");
    memset(line + 11, 'n', n);
    strcpy(line + 11 + n, "]");
    tap_ok(parse(line, strlen(line)) == wanted, "a note of %zu bytes", n);

    strcpy(line, "a OK ");
    for (int i = 0; i < RULE_NOTES_MAX + over; i++) {
      char note[] = "[note=a]";
      note[6] = (char)('a' + i);
      strcat(line, note);
    }
    tap_ok(parse(line, strlen(line)) == wanted, "%d notes",
           RULE_NOTES_MAX + over);
  }
}

static void
test_answers(void)
{
  static char const *const table[][2] = {
      {"a OK no", NULL},
      {"a DECLINED no", NULL},
      {"a DENY", "550 5.1.1 User unknown"},
      {"a DENY User not found.", "550 5.1.1 User not found."},
      {"a DENY 5.7.1 No", "550 5.7.1 No"},
      {"a DENY 5.7.123  No", "550 5.7.123 No"},
      {"a DENY 5.7.1", "550 5.7.1 User unknown"},
      {"a DENY 4.7.1 No", "550 5.1.1 4.7.1 No"},
      {"a DENY 5.7.1No", "550 5.1.1 5.7.1No"},
      {"a DENY 5.7 No", "550 5.1.1 5.7 No"},
      {"a DENY 5.7. No", "550 5.1.1 5.7. No"},
      {"a DENY 5.7.1234 No", "550 5.1.1 5.7.1234 No"},
      {"a DENY 5", "550 5.1.1 5"},
      {"a DENYSOFT", "450 4.2.1 Mailbox temporarily unavailable"},
      {"a DENYSOFT 4.7.1 Later", "450 4.7.1 Later"},
      {"a DENYSOFT 5.7.1 Later", "450 4.2.1 5.7.1 Later"},
      {"a DENY_DISCONNECT Bye", "!550 5.1.1 Bye"},
      {"a DENYSOFT_DISCONNECT 4.7.0 Bye", "!450 4.7.0 Bye"},
  };
  char answer[RULE_ANSWER_MAX];
  char line[RULE_LINE_MAX];
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    parse(table[i][0], strlen(table[i][0]));
    int refused = rule_answer(&rule, answer);
    tap_ok(refused == (table[i][1] != NULL), "refused or not: %s", table[i][0]);
    if (refused && table[i][1])
      tap_is_string(answer, table[i][1], "its answer");
  }
  memset(line, 'x', sizeof line);
  memcpy(line, "a DENY ", 7);
  parse(line, sizeof line);
  rule_answer(&rule, answer);
  tap_is_number((long long)strlen(answer), RULE_ANSWER_MAX - 1,
                "a long answer is cut");
}

int
main(void)
{
  test_good();
  test_bad();
  test_limits();
  test_answers();
  return tap_done();
}
