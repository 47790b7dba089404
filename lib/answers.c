#include "lib/answers.h"

#include <string.h>

void
answers_start(struct answers *answers)
{
  answers->skip = 0;
  answers->last = false;
  answers->reported = false;
  answers->used = 0;
}

/* A line is complete: start to skip if it is a body, else report it. */
static enum answers_result
end_line(struct answers *answers)
{
  size_t rest;
  if (command_verb(answers->line, answers->used, &rest) != VERB_BDAT) {
    answers->reported = true;
    return ANSWERS_LINE;
  }
  if (!command_bdat(answers->line + rest, answers->used - rest, &answers->skip,
                    &answers->last))
    return ANSWERS_BAD;
  answers->used = 0;
  if (answers->skip || !answers->last)
    return ANSWERS_MORE;
  answers->last = false;
  return ANSWERS_LAST;
}

static enum answers_result
skip_body(struct answers *answers, size_t n, size_t *taken)
{
  size_t take = n < answers->skip ? n : (size_t)answers->skip;
  answers->skip -= take;
  *taken += take;
  if (answers->skip || !answers->last)
    return ANSWERS_MORE;
  answers->last = false;
  return ANSWERS_LAST;
}

enum answers_result
answers_feed(struct answers *answers, char const *bytes, size_t n,
             size_t *taken)
{
  enum answers_result result = ANSWERS_MORE;
  *taken = 0;
  if (answers->reported)
    answers->used = 0;
  answers->reported = false;
  while (*taken < n && result == ANSWERS_MORE) {
    char const *from = bytes + *taken;
    size_t left = n - *taken;
    if (answers->skip) {
      result = skip_body(answers, left, taken);
      continue;
    }
    char const *lf = memchr(from, '\n', left);
    size_t take = lf ? (size_t)(lf - from) + 1 : left;
    if (answers->used + take > sizeof answers->line)
      return ANSWERS_BAD;
    memcpy(answers->line + answers->used, from, take);
    answers->used += take;
    *taken += take;
    if (lf) {
      answers->used--;
      result = end_line(answers);
    }
  }
  return result;
}
