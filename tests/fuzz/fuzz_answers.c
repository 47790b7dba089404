#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/answers.h"

#define REPORTED_MAX 100000

/* Everything that is reported, one after the other. */
struct reported {
  size_t used;
  char bytes[REPORTED_MAX];
};

static void
add(struct reported *reported, char const *bytes, size_t n)
{
  FUZZ_HOLDS(n <= sizeof reported->bytes - reported->used);
  memcpy(reported->bytes + reported->used, bytes, n);
  reported->used += n;
}

static void
check_line(struct answers const *answers)
{
  size_t rest;
  FUZZ_HOLDS(answers->used < COMMAND_LINE_MAX);
  FUZZ_HOLDS(!memchr(answers->line, '\n', answers->used));
  FUZZ_HOLDS(command_verb(answers->line, answers->used, &rest) != VERB_BDAT);
  FUZZ_HOLDS(!answers->skip);
}

static void
report(char const *in, size_t n, size_t size, struct reported *reported)
{
  static struct answers answers;
  answers_start(&answers);
  reported->used = 0;
  for (size_t i = 0; i < n;) {
    size_t piece = n - i < size ? n - i : size;
    size_t taken = SIZE_MAX;
    enum answers_result result = answers_feed(&answers, in + i, piece, &taken);
    FUZZ_HOLDS(taken <= piece);
    if (result == ANSWERS_BAD) {
      add(reported, "B", 1);
      return;
    }
    FUZZ_HOLDS(taken && (result != ANSWERS_MORE || taken == piece));
    i += taken;
    if (result == ANSWERS_LAST)
      add(reported, "E", 1);
    if (result != ANSWERS_LINE)
      continue;
    check_line(&answers);
    add(reported, answers.line, answers.used);
    add(reported, "\n", 1);
  }
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static struct reported whole, pieces;
  if (n < 1 || n > REPORTED_MAX / 2)
    return 0;
  char const *in = (char const *)data + 1;
  report(in, n - 1, n, &whole);
  report(in, n - 1, data[0] + 1U, &pieces);
  FUZZ_HOLDS(whole.used == pieces.used);
  FUZZ_HOLDS(!memcmp(whole.bytes, pieces.bytes, whole.used));
  return 0;
}
