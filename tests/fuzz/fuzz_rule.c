/* sources: filters/rule.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "filters/rule.h"
#include "lib/ascii.h"

static void
check_notes(struct rule const *rule)
{
  FUZZ_HOLDS(rule->notes <= RULE_NOTES_MAX);
  for (size_t i = 0; i < rule->notes; i++) {
    size_t n = strlen(rule->note[i]);
    FUZZ_HOLDS(n >= 1 && n <= RULE_NOTE_MAX);
    for (size_t k = 0; k < n; k++)
      FUZZ_HOLDS(ascii_is_alnum(rule->note[i][k]) ||
                 strchr("._-", rule->note[i][k]));
    for (size_t k = 0; k < i; k++)
      FUZZ_HOLDS(strcmp(rule->note[i], rule->note[k]));
  }
}

static void
check_answer(struct rule const *rule)
{
  char answer[RULE_ANSWER_MAX];
  int refuses = rule->code != RULE_OK && rule->code != RULE_DECLINED;
  FUZZ_HOLDS(rule_answer(rule, answer) == refuses);
  if (!refuses)
    return;
  char const *p = answer + (answer[0] == '!');
  FUZZ_HOLDS(!strncmp(p, "550 5.", 6) || !strncmp(p, "450 4.", 6));
  for (p = answer; *p; p++)
    FUZZ_HOLDS(!ascii_is_control(*p) || *p == '\t');
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static struct rule rule;
  static struct rule again;
  char const *line = (char const *)data;
  char const *problem = NULL;
  enum rule_result result = rule_parse(line, n, &rule, &problem);
  FUZZ_HOLDS(result != RULE_BAD || problem);
  if (result != RULE_READ)
    return 0;
  FUZZ_HOLDS(strlen(rule.key) == rule.key_bytes);
  FUZZ_HOLDS(strlen(rule.text) <= RULE_LINE_MAX);
  check_notes(&rule);
  check_answer(&rule);
  size_t trimmed = n;
  line = rule_trim(line, &trimmed);
  FUZZ_HOLDS(trimmed <= RULE_LINE_MAX);
  FUZZ_HOLDS(rule_parse(line, trimmed, &again, &problem) == RULE_READ);
  FUZZ_HOLDS(again.kind == rule.kind && again.code == rule.code &&
             again.notes == rule.notes && !strcmp(again.key, rule.key) &&
             !strcmp(again.text, rule.text));
  return 0;
}
