#include "deliver/fileset.h"

#include <stdio.h>

#include "tests/unit/tap.h"

#define MANY 20000

int
main(void)
{
  static struct fileset set;
  char name[64];
  size_t i = 0;
  bool right = true;
  fileset_sort(&set);
  fileset_mark(&set, "none");
  tap_ok(!fileset_next_unmarked(&set), "an empty set");
  for (i = 0; i < MANY; i++) {
    snprintf(name, sizeof name, "data/x/y/%05zu", i * 7919 % MANY);
    right = right && fileset_add(&set, name);
  }
  tap_ok(right, "many names");
  fileset_sort(&set);
  for (i = 0; i < MANY; i += 2) {
    snprintf(name, sizeof name, "data/x/y/%05zu", i);
    fileset_mark(&set, name);
    fileset_mark(&set, name);
  }
  fileset_mark(&set, "");
  fileset_mark(&set, "data/x/y/0000");
  fileset_mark(&set, "data/x/y/000001");
  fileset_mark(&set, "z");
  tap_is_number((long long)set.count, MANY, "all of them");
  tap_is_number((long long)set.marked, MANY / 2, "each is marked once");
  for (i = 1; i < MANY; i += 2) {
    char const *next = fileset_next_unmarked(&set);
    snprintf(name, sizeof name, "data/x/y/%05zu", i);
    right = right && next;
    for (size_t j = 0; right && (!j || name[j - 1]); j++)
      right = name[j] == next[j];
  }
  tap_ok(right, "the others come in order");
  tap_ok(!fileset_next_unmarked(&set), "... and no more");
  fileset_end(&set);
  tap_ok(!set.count && !set.bytes, "freed");
  return tap_done();
}
