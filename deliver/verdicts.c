#include "deliver/verdicts.h"

#include <stdlib.h>
#include <string.h>

void
verdicts_add(struct verdicts *verdicts, char const *text)
{
  struct verdict *verdict = verdicts->verdict;
  size_t n = strnlen(text, VERDICTS_TEXT_MAX);
  verdicts->all++;
  for (size_t i = 0; i < verdicts->used; i++, verdict++)
    if (!strncmp(verdict->text, text, n) && !verdict->text[n]) {
      verdict->count++;
      return;
    }
  if (verdicts->used == VERDICTS_MAX + 1) {
    verdict[-1].count++;
    return;
  }
  if (verdicts->used == VERDICTS_MAX) {
    text = "other answers";
    n = strlen(text);
  }
  memcpy(verdict->text, text, n);
  verdict->text[n] = 0;
  verdict->count = 1;
  verdicts->used++;
}

static int
compare(void const *one, void const *other)
{
  struct verdict const *a = one, *b = other;
  if (a->count != b->count)
    return a->count < b->count ? 1 : -1;
  return strcmp(a->text, b->text);
}

void
verdicts_sort(struct verdicts *verdicts)
{
  qsort(verdicts->verdict, verdicts->used, sizeof *verdicts->verdict, compare);
}
