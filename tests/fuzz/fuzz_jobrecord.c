#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/jobrecord.h"

/* What is written anew reads as it was, and is one record. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static struct jobrecord record, again;
  static char text[JOBRECORD_TEXT_MAX], out[JOBRECORD_TEXT_MAX];
  struct metadata const set[] = {{"dq.tries", "1", 1}, {"a", NULL, 0}};
  if (n > sizeof text / 2)
    return 0;
  memcpy(text, data, n);
  if (jobrecord_parse(&record, text, n))
    return 0;
  FUZZ_HOLDS(record.data_path[0] && record.lines);
  size_t used =
      jobrecord_format(&record, "/q/data/a/b/c", set, 2, out, sizeof out);
  FUZZ_HOLDS(used);
  FUZZ_HOLDS(!jobrecord_parse(&again, out, used));
  FUZZ_HOLDS(!strcmp(again.data_path, "/q/data/a/b/c"));
  FUZZ_HOLDS(!jobrecord_find(&again, "a"));
  for (size_t i = 0; i < record.lines; i++) {
    struct metadata const *line = record.line + i;
    struct metadata const *other = jobrecord_find(&again, line->key);
    if (!strcmp(line->key, "QDFN") || !strcmp(line->key, "a") ||
        !strcmp(line->key, "dq.tries"))
      continue;
    FUZZ_HOLDS(other && other->value_bytes == line->value_bytes &&
               !memcmp(other->value, line->value, line->value_bytes));
  }
  return 0;
}
