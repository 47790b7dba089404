/* How often each answer was given. Pure. */
#ifndef TRAPLINE_DELIVER_VERDICTS_H
#define TRAPLINE_DELIVER_VERDICTS_H

#include <stddef.h>
#include <stdint.h>

#define VERDICTS_MAX 200 /* different ones; what comes after is "other" */
#define VERDICTS_TEXT_MAX 255

struct verdict {
  uint64_t count;
  char text[VERDICTS_TEXT_MAX + 1];
};

/* All zero at first. */
struct verdicts {
  uint64_t all;
  size_t used;
  struct verdict verdict[VERDICTS_MAX + 1];
};

/* Count one; over VERDICTS_TEXT_MAX bytes it is cut. */
void verdicts_add(struct verdicts *verdicts, char const *text);

/* Most frequent first, then by text. */
void verdicts_sort(struct verdicts *verdicts);

#endif
