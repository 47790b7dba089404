#include "filters/ruleregex.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/tap.h"

static struct ruleregex matcher;

static int
match(char const *pattern, char const *subject, char const **problem)
{
  char text[RULEREGEX_PROBLEM_MAX];
  pcre2_code *code = ruleregex_compile(pattern, strlen(pattern), text);
  if (!tap_ok(code != NULL, "compiles: %.60s", pattern))
    return -2;
  *problem = "";
  ruleregex_begin(&matcher);
  int r = ruleregex_match(&matcher, code, subject, strlen(subject), problem);
  pcre2_code_free(code);
  return r;
}

static void
test_matches(void)
{
  static struct {
    char const *pattern;
    char const *subject;
    int matches;
  } const table[] = {
      {"", "a@b", 1},
      {"^a@b$", "a@b", 1},
      {"A@B", "xa@bx", 1},
      {"^b", "a@b", 0},
      {"^.{6}$", "\303\251@b.c", 1}, /* bytes, not characters */
      {"\303\251", "\303\251@b", 1},
      {"\303\211", "\303\251@b", 0}, /* no case beyond ASCII */
      {"^\\d{3,}@", "1234@b", 1},
      {"^\\d{3,}@", "12@b", 0},
      {"(?-i)A", "a", 0},
      {"(*LIMIT_MATCH=4000000000)a", "a", 1},
      {"a b", "a b@c", 1},
  };
  char const *problem;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    tap_is_number(match(table[i].pattern, table[i].subject, &problem),
                  table[i].matches, "matches or not");
}

static void
test_bad_patterns(void)
{
  static char const *const table[] = {
      "(",    "a)",       "[z-a]",
      "*",    "\\",       "(*UTF)a",
      "(?<n", "a{70000}", "((a{1,9999}){1,9999}){1,9999}",
  };
  char problem[RULEREGEX_PROBLEM_MAX];
  char deep[1000];
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    strcpy(problem, "");
    pcre2_code *code = ruleregex_compile(table[i], strlen(table[i]), problem);
    tap_ok(!code && strstr(problem, " at offset "), "does not compile: %s: %s",
           table[i], problem);
    pcre2_code_free(code);
  }
  memset(deep, '(', 400);
  memset(deep + 400, ')', 400);
  pcre2_code *code = ruleregex_compile(deep, 800, problem);
  tap_ok(!code, "does not compile: 400 nested groups: %s", problem);
  pcre2_code_free(code);
}

static double
seconds_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What would run for hours without limits. 10 s is far above what it takes
 * (below 0.1 s), and below what any of these takes without. */
static void
test_limits(void)
{
  static struct {
    char const *pattern;
    char const *problem; /* NULL: any, or none */
  } const table[] = {
      {"^(a+)+$", "match limit"},     {"(a|aa)+$", NULL},
      {"^(?:a|aa)+$", "match limit"}, {"^(.*)*x$", NULL},
      {"^(?:.*?){9}!!", NULL},        {"^(?:(?:a|b)*)*c", NULL},
      {"(?:a?){2000}a{900}!", NULL},  {"^(?:(?=(a+))a)*\\1x", NULL},
      {"^(a(?1)?a|a)+!!$", NULL},     {"^(?:(?R)|a)", "endless recursion"},
  };
  char subject[901];
  char const *problem;
  memset(subject, 'a', sizeof subject);
  strcpy(subject + 899, "!");
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    double start = seconds_now();
    int r = match(table[i].pattern, subject, &problem);
    tap_ok(r == 0 || r == -1, "no match: %s", table[i].pattern);
    tap_ok(seconds_now() - start < 10, "it ends (%s)", problem);
    if (table[i].problem)
      tap_is_string(problem, table[i].problem, "its problem");
  }
  char deep[1000] = "";
  for (int i = 0; i < 200; i++)
    strcat(deep, "(");
  strcat(deep, "a");
  for (int i = 0; i < 200; i++)
    strcat(deep, ")*");
  strcat(deep, "!");
  tap_is_number(match(deep, subject, &problem), -1, "200 nested groups");
  tap_is_string(problem, "heap limit", "its problem");
  strcpy(deep, "^");
  for (int i = 0; i < 20; i++)
    strcat(deep, "(?:");
  strcat(deep, "a|b");
  for (int i = 0; i < 20; i++)
    strcat(deep, "|c)");
  strcat(deep, "*!");
  tap_is_number(match(deep, subject, &problem), -1, "20 nested choices");
  tap_is_string(problem, "depth limit", "its problem");
  static char letters[8193]; /* of more, the match limit would come first */
  memset(letters, 'a', sizeof letters - 1);
  double start = seconds_now();
  tap_is_number(match("[a-z]+ ?[a-z]+[0-9]", letters, &problem), -1,
                "each step goes over all of a long subject");
  tap_is_string(problem, "time limit", "its problem");
  tap_ok(seconds_now() - start < 10, "it ends soon");
  tap_is_number(match("^a+!$", subject, &problem), 1, "then others match");
}

int
main(void)
{
  tap_ok(ruleregex_init(&matcher), "ready to match");
  test_matches();
  test_bad_patterns();
  test_limits();
  ruleregex_free(&matcher);
  return tap_done();
}
