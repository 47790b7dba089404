#include "filters/ruleimage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters/ruleregex.h"

static uint64_t
add_to_sum(uint64_t sum, void const *bytes, size_t n)
{
  for (size_t done = 0; done < n; done += 8) {
    uint64_t word = 0;
    memcpy(&word, (char const *)bytes + done, n - done < 8 ? n - done : 8);
    /* Each step is a bijection, so no single change goes unseen. */
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    sum ^= sum >> 32;
  }
  return sum;
}

uint32_t
ruleimage_check(uint32_t number, char const *text, size_t n)
{
  return (uint32_t)add_to_sum((uint64_t)number << 32 | n, text, n);
}

uint64_t
ruleimage_checksum(void const *record, size_t n, unsigned char const *table)
{
  return add_to_sum(add_to_sum(n, record, n), table, RULECDB_FIRST);
}

struct kept_regex {
  struct ruleimage_line line;
  char const *text; /* of the line, in the text */
};

/* An image in the making. */
struct making {
  struct rulecdb_maker *maker;
  struct ruleimage_reporter const *reporter;
  struct ruleimage_head head;
  size_t room; /* in the two arrays; head.regexes are used */
  pcre2_code **code;
  struct kept_regex *kept;
  uint64_t bad; /* rules */
};

static void
report_bad(struct making *making, uint32_t line, char const *problem)
{
  struct ruleimage_reporter const *reporter = making->reporter;
  if (making->bad++ < reporter->bad_most)
    reporter->report(reporter->data, line, "bad rule", problem);
}

static void
count_bad(struct making const *making)
{
  struct ruleimage_reporter const *reporter = making->reporter;
  char problem[64];
  if (making->bad <= reporter->bad_most)
    return;
  snprintf(problem, sizeof problem, "%llu more; rcptcheck-compile names them",
           (unsigned long long)(making->bad - reporter->bad_most));
  reporter->report(reporter->data, 0, "more bad rules", problem);
}

static int
keep_regex(struct making *making, pcre2_code *code, char const *text,
           struct ruleimage_line line)
{
  size_t i = making->head.regexes;
  if (i == making->room) {
    size_t room = 2 * i + 64;
    pcre2_code **codes = reallocarray(making->code, room, sizeof *codes);
    if (!codes)
      return 0;
    making->code = codes;
    struct kept_regex *kept = reallocarray(making->kept, room, sizeof *kept);
    if (!kept)
      return 0;
    making->kept = kept;
    making->room = room;
  }
  making->code[i] = code;
  making->kept[i] = (struct kept_regex){line, text};
  making->head.line_bytes += line.bytes;
  making->head.regexes++;
  return 1;
}

static int
add_regex(struct making *making, struct rule const *rule, char const *text,
          struct ruleimage_line line)
{
  char problem[RULEREGEX_PROBLEM_MAX];
  pcre2_code *code = ruleregex_compile(rule->key, rule->key_bytes, problem);
  if (!code) {
    report_bad(making, line.number, problem);
    return 1;
  }
  if (!keep_regex(making, code, text, line)) {
    pcre2_code_free(code);
    return 0;
  }
  making->head.rules++;
  return 1;
}

char
ruleimage_key(enum rule_kind kind)
{
  return kind == RULE_ADDRESS ? 'A' : kind == RULE_DOMAIN ? 'D' : 'T';
}

static int
add_literal(struct making *making, struct rule const *rule, char const *text,
            struct ruleimage_line line)
{
  char key[1 + RULE_LINE_MAX];
  char data[sizeof line + RULE_LINE_MAX];
  key[0] = ruleimage_key(rule->kind);
  memcpy(key + 1, rule->key, rule->key_bytes);
  memcpy(data, &line, sizeof line);
  memcpy(data + sizeof line, text, line.bytes);
  if (rule->kind == RULE_DOMAIN)
    making->head.domains++;
  if (rule->kind == RULE_TREE && rule->key_bytes > making->head.longest_tree)
    making->head.longest_tree = (uint32_t)rule->key_bytes;
  making->head.rules++;
  return rulecdb_add(making->maker, key, 1 + rule->key_bytes, data,
                     sizeof line + line.bytes);
}

static int
add_line(struct making *making, uint32_t number, char const *text, size_t n)
{
  struct rule rule;
  char const *problem;
  switch (rule_parse(text, n, &rule, &problem)) {
  case RULE_NONE:
    return 1;
  case RULE_BAD:
    report_bad(making, number, problem);
    return 1;
  case RULE_READ:
    break;
  }
  text = rule_trim(text, &n);
  struct ruleimage_line line = {number, (uint32_t)n,
                                ruleimage_check(number, text, n)};
  return rule.kind == RULE_REGEX ? add_regex(making, &rule, text, line)
                                 : add_literal(making, &rule, text, line);
}

static int
add_lines(struct making *making, char const *text, size_t n)
{
  char const *end = text + n;
  for (uint32_t number = 1; text < end; number++) {
    char const *stop = memchr(text, '\n', (size_t)(end - text));
    if (!stop)
      stop = end;
    if (!add_line(making, number, text, (size_t)(stop - text)))
      return 0;
    text = stop < end ? stop + 1 : end;
  }
  count_bad(making);
  return 1;
}

size_t
ruleimage_pattern_offset(struct ruleimage_head const *head)
{
  size_t n = sizeof *head + head->regexes * sizeof(struct ruleimage_line) +
             head->line_bytes;
  return (n + 7) & ~(size_t)7;
}

static void
fill_record(struct making const *making, char *record, void const *patterns)
{
  struct ruleimage_head const *head = &making->head;
  char *line = record + sizeof *head;
  char *text = line + head->regexes * sizeof(struct ruleimage_line);
  memcpy(record, head, sizeof *head);
  for (size_t i = 0; i < head->regexes; i++) {
    struct kept_regex const *kept = &making->kept[i];
    memcpy(line, &kept->line, sizeof kept->line);
    memcpy(text, kept->text, kept->line.bytes);
    line += sizeof kept->line;
    text += kept->line.bytes;
  }
  if (patterns)
    memcpy(record + ruleimage_pattern_offset(head), patterns,
           head->pattern_bytes);
}

/* Add the head's record, and set *at to where it is in the image. Its
 * image_bytes and checksum are not known yet. */
static int
add_head(struct making *making, size_t *at)
{
  uint8_t *patterns = NULL;
  PCRE2_SIZE bytes = 0;
  if (making->head.regexes &&
      pcre2_serialize_encode((pcre2_code const **)making->code,
                             (int32_t)making->head.regexes, &patterns, &bytes,
                             NULL) < 0) {
    errno = ENOMEM;
    return 0;
  }
  making->head.pattern_bytes = (uint32_t)bytes;
  size_t n = ruleimage_pattern_offset(&making->head) + bytes;
  char *record = n <= UINT32_MAX ? calloc(1, n) : NULL;
  int added = 0;
  if (record) {
    fill_record(making, record, patterns);
    added = rulecdb_add(making->maker, "", 0, record, n);
    *at = making->maker->used - n;
  }
  free(record);
  pcre2_serialize_free(patterns);
  return added;
}

static void
seal(struct making *making, size_t at)
{
  char *image = making->maker->bytes;
  struct ruleimage_head *head = &making->head;
  size_t n = ruleimage_pattern_offset(head) + head->pattern_bytes;
  head->image_bytes = making->maker->used;
  memcpy(image + at, head, sizeof *head);
  head->checksum =
      ruleimage_checksum(image + at, n, (unsigned char const *)image);
  memcpy(image + at, head, sizeof *head);
}

int
ruleimage_make(char const *text, size_t n, struct stat const *status,
               struct ruleimage_reporter const *reporter,
               struct rulecdb_maker *maker)
{
  size_t at = 0;
  struct making making = {
      .maker = maker,
      .reporter = reporter,
      .head = {.magic = RULEIMAGE_MAGIC,
               .text_bytes = (uint64_t)status->st_size,
               .text_mtime_s = status->st_mtim.tv_sec,
               .text_mtime_ns = status->st_mtim.tv_nsec},
  };
  int made = rulecdb_start(maker) && add_lines(&making, text, n) &&
             add_head(&making, &at) && rulecdb_finish(maker);
  if (made)
    seal(&making, at);
  else
    rulecdb_free(maker);
  if (made && !making.head.rules)
    reporter->report(reporter->data, 0, "no rules", "every recipient passes");
  for (size_t i = 0; i < making.head.regexes; i++)
    pcre2_code_free(making.code[i]);
  free(making.code);
  free(making.kept);
  return made;
}
