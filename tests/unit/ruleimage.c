#include "filters/ruleimage.h"

#include <stdio.h>
#include <string.h>

#include "filters/ruleregex.h"
#include "tests/unit/tap.h"

static char reports[4096];

static void
report(void *data, uint32_t line, char const *event, char const *problem)
{
  size_t used = strlen(reports);
  (void)data;
  snprintf(reports + used, sizeof reports - used, "%lu %s: %.20s\n",
           (unsigned long)line, event, problem);
}

static struct ruleimage_reporter const reporter = {.report = report,
                                                   .bad_most = UINT64_MAX};
static struct stat const status = {.st_size = 42,
                                   .st_mtim = {.tv_sec = -7, .tv_nsec = 5}};

/* Make the image of a text and read its head. */
static void
make(char const *text, struct rulecdb_maker *maker, struct ruleimage_head *head)
{
  struct rulecdb database;
  uint64_t data;
  uint32_t n;
  memset(head, 0, sizeof *head);
  strcpy(reports, "");
  if (tap_ok(ruleimage_make(text, strlen(text), &status, &reporter, maker),
             "an image") &&
      tap_ok(rulecdb_open(&database, maker->bytes, -1, maker->used) &&
                 rulecdb_find(&database, "", 0, &data, &n) == 1 &&
                 n >= sizeof *head,
             "its head"))
    rulecdb_read(&database, data, head, sizeof *head);
}

static void
test_empty(void)
{
  static char const *const texts[] = {"", "\n\n", "# nothing", "a@b\n"};
  struct rulecdb_maker maker;
  struct ruleimage_head head;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    make(texts[i], &maker, &head);
    tap_is_number(head.rules, 0, "no rules");
    tap_ok(strstr(reports, "0 no rules: ") != NULL, "which is told");
    rulecdb_free(&maker);
  }
}

static void
test_head(void)
{
  static char const text[] = "a@b OK\r\n"
                             "\n"
                             "/x(/ OK\n"
                             "/x/ OK\n"
                             "@d OK\n"
                             "@.e.example OK\n"
                             "@.e OK\n"
                             "a@b\n"
                             "a\0@b OK\n"
                             "  /yy/ DENY last";
  struct rulecdb_maker maker;
  struct ruleimage_head head;
  strcpy(reports, "");
  tap_ok(ruleimage_make(text, sizeof text - 1, &status, &reporter, &maker),
         "an image of many rules");
  struct rulecdb database;
  uint64_t data;
  uint32_t n;
  struct ruleimage_line line;
  char bytes[64];
  tap_ok(rulecdb_open(&database, maker.bytes, -1, maker.used), "opens");
  tap_is_number(rulecdb_find(&database, "", 0, &data, &n), 1, "has a head");
  rulecdb_read(&database, data, &head, sizeof head);
  tap_is_string(reports,
                "3 bad rule: missing closing pare\n"
                "8 bad rule: no CODE\n"
                "9 bad rule: control character\n",
                "bad rules are told with their lines");
  tap_is_number(head.rules, 6, "rules");
  tap_is_number(head.regexes, 2, "regexes");
  tap_is_number(head.domains, 1, "domains");
  tap_is_number(head.longest_tree, 9, "the longest tree");
  tap_is_number((long long)head.text_bytes, 42, "bytes in the text");
  tap_is_number(head.text_mtime_s, -7, "its time");
  tap_is_number(head.text_mtime_ns, 5, "and nanoseconds");
  tap_is_number((long long)head.image_bytes, (long long)maker.used,
                "bytes in the image");
  tap_is_number(n,
                (long long)ruleimage_pattern_offset(&head) + head.pattern_bytes,
                "bytes in the head's record");
  tap_is_number((long long)(ruleimage_pattern_offset(&head) % 8), 0,
                "patterns are aligned");
  tap_is_number(rulecdb_find(&database, "Aa@b", 4, &data, &n), 1, "an address");
  rulecdb_read(&database, data, &line, sizeof line);
  rulecdb_read(&database, data + sizeof line, bytes, line.bytes);
  tap_is_number(line.number, 1, "its line");
  tap_is_bytes(bytes, line.bytes, "a@b OK", 6, "trimmed");
  tap_is_number(line.check, ruleimage_check(1, "a@b OK", 6), "its check");
  tap_ok(line.check != ruleimage_check(2, "a@b OK", 6) &&
             line.check != ruleimage_check(1, "a@b OJ", 6),
         "which is another for another line");
  tap_is_number(rulecdb_find(&database, "Dd", 2, &data, &n), 1, "a domain");
  tap_is_number(rulecdb_find(&database, "Te", 2, &data, &n), 1, "a tree");
  rulecdb_free(&maker);
}

static void
test_checksum(void)
{
  unsigned char table[RULECDB_FIRST] = {0};
  char record[29] = "twenty-nine bytes of a record";
  uint64_t sum = ruleimage_checksum(record, sizeof record, table);
  int seen = 0;
  for (size_t i = 0; i < sizeof record * 8; i++) {
    record[i / 8] = (char)(record[i / 8] ^ 1 << i % 8);
    seen += ruleimage_checksum(record, sizeof record, table) != sum;
    record[i / 8] = (char)(record[i / 8] ^ 1 << i % 8);
  }
  tap_is_number(seen, sizeof record * 8, "each bit of the record counts");
  seen = 0;
  for (size_t i = 0; i < sizeof table * 8; i++) {
    table[i / 8] = (unsigned char)(table[i / 8] ^ 1 << i % 8);
    seen += ruleimage_checksum(record, sizeof record, table) != sum;
    table[i / 8] = (unsigned char)(table[i / 8] ^ 1 << i % 8);
  }
  tap_is_number(seen, sizeof table * 8, "each bit of the table counts");
  tap_ok(ruleimage_checksum(record, sizeof record, table) == sum,
         "the same again");
}

int
main(void)
{
  test_empty();
  test_head();
  test_checksum();
  return tap_done();
}
