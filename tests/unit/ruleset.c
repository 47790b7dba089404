#include "filters/ruleset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/djbunix.h>

#include "lib/address.h"
#include "tests/unit/tap.h"

#define FILE_NAME "rules"

static char reports[4096];

static void
report(void *data, uint32_t line, char const *event, char const *problem)
{
  size_t used = strlen(reports);
  (void)data;
  snprintf(reports + used, sizeof reports - used, "%lu %s: %s\n",
           (unsigned long)line, event, problem);
}

static struct ruleimage_reporter const reporter = {.report = report,
                                                   .bad_most = UINT64_MAX};
static struct ruleset set;
static struct ruleset_hit hit;

static void
write_file(char const *name, void const *bytes, size_t n)
{
  unlink(name);
  if (!openwritenclose_unsafe(name, bytes, n))
    abort();
}

/* Write the compiled form of a file, as rcptcheck-compile does. */
static size_t
compile(void)
{
  struct stat status;
  struct rulecdb_maker maker;
  char *text = ruleset_text(FILE_NAME, &status);
  if (!text ||
      !ruleimage_make(text, (size_t)status.st_size, &status, &reporter, &maker))
    abort();
  size_t n = maker.used;
  write_file(FILE_NAME ".cdb", maker.bytes, n);
  rulecdb_free(&maker);
  free(text);
  return n;
}

/* The line of the rule that decides; 0: none, -1: cannot be told,
 * -2: no address. */
static long
find(char const *text)
{
  char mailbox[ADDRESS_MAX + 1];
  struct address address;
  size_t at;
  if (address_parse(text, strlen(text), ADDRESS_LAX, &address) != strlen(text))
    return -2;
  size_t n = address_mailbox(&address, mailbox, &at);
  int r = ruleset_find(&set, mailbox, n, at, &hit);
  return r <= 0 ? r : (long)hit.number;
}

static void
test_order(char const *form)
{
  static struct {
    char const *address;
    long line;
  } const table[] = {
      {"first@trap.example", 1},
      {"FIRST@TRAP.EXAMPLE.", 1},
      {"spam@trap.example", 2}, /* before its address in line 3 */
      {"ham@trap.example", 4},  /* before the regex in line 6 */
      {"xham@trap.example", 6}, /* before the domain in line 7 */
      {"other@trap.example", 7},
      {"other@a.trap.example", 8}, /* the tree's longer name is later */
      {"other@b.a.trap.example", 8},
      {"other@xtrap.example", 0},
      {"other@[192.0.2.1]", 10},
      {"postmaster", 11},
      {"@x:last@example", 12},
      {"nobody@example", 0},
      {"\"no body\"@example", 13},
      {"a@tree.example", 14},
      {"a@example", 0},
      {"\"\"@trap.example", 7},
      {"A@trap", 0},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    long line = find(table[i].address);
    tap_ok(line == table[i].line, "%s: %s is decided by line %ld (%ld)", form,
           table[i].address, line, table[i].line);
  }
  tap_is_number(find("xham@trap.example"), 6, "a regex again");
  tap_is_bytes(hit.line, hit.line_bytes, "/ham@/ DENY no ham", 18, "its line");
  tap_is_string(hit.rule.text, "no ham", "its text");
  tap_is_number(find("first@trap.example"), 1, "an address again");
  tap_is_string(hit.rule.note[0], "n", "its note");
}

static void
test_forms(void)
{
  static char const rules[] = "First@Trap.example OK [note=n]\n"
                              "/^spam@/ DENY\n"
                              "spam@trap.example OK\n"
                              "ham@trap.example OK\n"
                              "ham@trap.example DENY\n"
                              " /ham@/ DENY no ham \n"
                              "@trap.example OK\n"
                              "@.trap.example OK\n"
                              "@.a.trap.example DENY\n"
                              "@[192.0.2.1] OK\n"
                              "postmaster OK\n"
                              "last@example OK\n"
                              "\"no body\"@example OK\n"
                              "@.tree.example OK";
  write_file(FILE_NAME, rules, sizeof rules - 1);
  unlink(FILE_NAME ".cdb");
  strcpy(reports, "");
  tap_ok(ruleset_load(&set, FILE_NAME, &reporter), "load the text");
  tap_ok(set.image != NULL, "it is the text");
  test_order("text");
  ruleset_free(&set);
  compile();
  tap_ok(ruleset_load(&set, FILE_NAME, &reporter), "load the compiled form");
  tap_ok(set.image == NULL, "it is the compiled form");
  test_order("compiled");
  ruleset_free(&set);
  tap_is_string(reports, "", "nothing to tell");
}

/* What a compiled form that cannot be used leads to. */
static void
refused_form(char const *problem)
{
  char wanted[100];
  snprintf(wanted, sizeof wanted, "0 compiled rules not used: %s\n", problem);
  strcpy(reports, "");
  tap_ok(ruleset_load(&set, FILE_NAME, &reporter), "load: %s", problem);
  tap_ok(set.image != NULL, "the text is used");
  tap_is_string(reports, wanted, "which is told");
  tap_is_number(find("a@b"), 1, "and works");
  ruleset_free(&set);
}

static void
test_refused_forms(void)
{
  char const *cdb = FILE_NAME ".cdb";
  write_file(FILE_NAME, "a@b OK\n/c/ OK\n", 14);
  compile();
  tap_ok(!chmod(cdb, 0664), "let the group write");
  refused_form("others may write to it");
  tap_ok(!chmod(cdb, 0646), "let all write");
  refused_form("others may write to it");
  compile();
  tap_ok(!truncate(cdb, 2047), "cut it in its first table");
  refused_form("damaged");
  compile();
  tap_ok(!truncate(cdb, 0), "empty it");
  refused_form("damaged");
  size_t n = compile();
  tap_ok(!truncate(cdb, (off_t)n + 1), "lengthen it");
  refused_form("damaged");
  unlink(cdb);
  tap_ok(!mkdir(cdb, 0755), "a directory");
  refused_form("no regular file");
  rmdir(cdb);
  compile();
  struct timespec times[2] = {{1, 0}, {1, 0}};
  tap_ok(!utimensat(AT_FDCWD, FILE_NAME, times, 0), "an older text");
  refused_form("stale: run rcptcheck-compile again");
  compile();
  times[1].tv_nsec = 1;
  tap_ok(!utimensat(AT_FDCWD, FILE_NAME, times, 0), "a nanosecond");
  refused_form("stale: run rcptcheck-compile again");
  compile();
  write_file(FILE_NAME, "a@b OK\n/c/ OK\n\n", 15);
  tap_ok(!utimensat(AT_FDCWD, FILE_NAME, times, 0), "another size");
  refused_form("stale: run rcptcheck-compile again");
}

/* Any change while it is in use: the answer is right, or that of no rule,
 * or the text's. Regexes are in memory by then. */
static void
test_damage_in_use(void)
{
  char const *cdb = FILE_NAME ".cdb";
  write_file(FILE_NAME, "a@b OK\n/c/ OK\n", 14);
  size_t n = compile();
  tap_ok(ruleset_load(&set, FILE_NAME, &reporter), "load");
  strcpy(reports, "");
  tap_ok(!truncate(cdb, (off_t)n - 1), "cut a byte off");
  long line = find("a@b");
  tap_ok(line == 1, "the address is found (%ld)", line);
  tap_ok(!truncate(cdb, 2100), "cut most of it off");
  tap_is_number(find("a@b"), 1, "from the text");
  tap_is_string(reports, "0 compiled rules not used: damaged\n", "once");
  tap_is_number(find("c@b"), 2, "a regex");
  ruleset_free(&set);

  compile();
  tap_ok(ruleset_load(&set, FILE_NAME, &reporter), "load again");
  tap_ok(!truncate(cdb, 2100) && !unlink(FILE_NAME), "lose the text too");
  errno = 0;
  tap_is_number(find("a@b"), -1, "cannot be told");
  tap_is_number(errno, ENOENT, "why");
  tap_is_number(find("c@b"), -1, "nor a regex");
  write_file(FILE_NAME, "c@b OK\n", 7);
  tap_is_number(find("c@b"), 1, "until the text is back");
  ruleset_free(&set);
}

/* Every byte of a compiled form changed in two ways. A rule may be hidden
 * then, but the answer is never another one than the text's else; and under the
 * sanitizers nothing is read from where it must not be. */
static void
test_damage_anywhere(void)
{
  static char const rules[] = "a@b OK [note=x]\n/^c/ DENY no\n@d OK\n"
                              "@.e DENY\n/./ OK\n";
  static struct {
    char const *address;
    long line;
  } const table[] = {
      {"a@b", 1}, {"cc@d", 2}, {"x@d", 3}, {"x@f.e", 4}, {"x@y", 5}};
  long answers[2] = {0};
  long wrong = 0;
  write_file(FILE_NAME, rules, sizeof rules - 1);
  size_t n = compile();
  char *image = malloc(n);
  ssize_t got = image ? openreadnclose(FILE_NAME ".cdb", image, n) : -1;
  tap_ok(got == (ssize_t)n, "a compiled form of %zu bytes", n);
  for (size_t i = 0; image && i < 2 * n; i++) {
    char mask = (char)(i % 2 ? 0xff : 0x01);
    image[i / 2] = (char)(image[i / 2] ^ mask);
    write_file(FILE_NAME ".cdb", image, n);
    strcpy(reports, "");
    if (!ruleset_load(&set, FILE_NAME, &reporter))
      abort();
    answers[set.image != NULL]++;
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
      long line = find(table[k].address);
      wrong += line != table[k].line && line != 5;
    }
    ruleset_free(&set);
    image[i / 2] = (char)(image[i / 2] ^ mask);
  }
  free(image);
  tap_ok(answers[0] > 100 && answers[1] > 100,
         "used with some changes (%ld), not with others (%ld)", answers[0],
         answers[1]);
  tap_is_number(wrong, 0, "no wrong answer");
}

static void
test_errors(void)
{
  char path[RULESET_PATH_MAX + 2];
  errno = 0;
  tap_ok(!ruleset_load(&set, "missing", &reporter), "a missing file");
  tap_is_number(errno, ENOENT, "ENOENT");
  tap_ok(!ruleset_load(&set, ".", &reporter), "a directory");
  tap_is_number(errno, EINVAL, "EINVAL");
  memset(path, 'x', sizeof path - 1);
  path[sizeof path - 1] = 0;
  tap_ok(!ruleset_load(&set, path, &reporter), "a path too long");
  tap_is_number(errno, ENAMETOOLONG, "ENAMETOOLONG");
}

/* Each of the 60 regexes takes far more than a hundredth of the time that all
 * have together. */
static void
test_time_limit(void)
{
  char rules[64 * 100] = "";
  char address[850];
  for (int i = 0; i < 60; i++)
    strcat(rules, "/[0-9]+ ?[0-9]+[a-z]/ DENY\n");
  strcat(rules, "/b$/ DENY\n@b OK\n");
  write_file(FILE_NAME, rules, strlen(rules));
  unlink(FILE_NAME ".cdb");
  strcpy(reports, "");
  tap_ok(ruleset_load(&set, FILE_NAME, &reporter), "slow regexes");
  memset(address, '0', sizeof address);
  strcpy(address + 800, "@b");
  long line = find(address);
  tap_ok(line >= 61, "an answer comes (line %ld)", line);
  tap_ok(strstr(reports, " this and later regexes not tried: time limit\n") !=
             NULL,
         "which is told");
  ruleset_free(&set);
}

int
main(void)
{
  char directory[] = "/tmp/ruleset.XXXXXX";
  umask(022);
  if (!mkdtemp(directory) || chdir(directory) < 0)
    return 111;
  test_forms();
  test_refused_forms();
  test_damage_in_use();
  test_damage_anywhere();
  test_errors();
  test_time_limit();
  unlink(FILE_NAME);
  unlink(FILE_NAME ".cdb");
  if (chdir("/") < 0 || rmdir(directory) < 0)
    tap_ok(0, "nothing left behind");
  return tap_done();
}
