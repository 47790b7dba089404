#include "deliver/verdicts.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/tap.h"

static struct verdicts verdicts;

int
main(void)
{
  char text[VERDICTS_TEXT_MAX + 20];
  verdicts_add(&verdicts, "b");
  verdicts_add(&verdicts, "a");
  verdicts_add(&verdicts, "ab");
  verdicts_add(&verdicts, "ab");
  verdicts_sort(&verdicts);
  tap_is_string(verdicts.verdict[0].text, "ab", "most frequent first");
  tap_is_string(verdicts.verdict[1].text, "a", "then by text");
  tap_is_number((long long)verdicts.verdict[0].count, 2, "counted");
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = 0;
  verdicts_add(&verdicts, text);
  text[VERDICTS_TEXT_MAX] = 0;
  verdicts_add(&verdicts, text);
  tap_is_number((long long)verdicts.verdict[3].count, 2, "cut");
  for (int i = 4; i < VERDICTS_MAX; i++) {
    snprintf(text, sizeof text, "%d", i);
    verdicts_add(&verdicts, text);
  }
  tap_is_number((long long)verdicts.used, VERDICTS_MAX, "200 different ones");
  verdicts_add(&verdicts, "one more");
  verdicts_add(&verdicts, "two more");
  tap_is_number((long long)verdicts.used, VERDICTS_MAX + 1, "201");
  tap_is_string(verdicts.verdict[VERDICTS_MAX].text, "other answers",
                "... of which one is others");
  tap_is_number((long long)verdicts.verdict[VERDICTS_MAX].count, 2,
                "... counted");
  verdicts_add(&verdicts, "199");
  verdicts_add(&verdicts, "199");
  verdicts_sort(&verdicts);
  tap_is_number((long long)verdicts.verdict[0].count, 3,
                "known ones still are");
  tap_is_number((long long)verdicts.all, 4 + 2 + 196 + 4, "all of them");
  return tap_done();
}
