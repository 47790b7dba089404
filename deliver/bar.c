#include "deliver/bar.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include "lib/clock.h"

#define STEP_MS 100
#define WIDTH 40

static bool is_shown;

static void
put(char const *text)
{
  allwrite(2, text, strlen(text));
}

void
bar_show(uint64_t done, uint64_t total, uint64_t items)
{
  static int64_t shown_ms;
  char bar[WIDTH + 1], line[WIDTH + 64];
  if (!isatty(2) || clock_ms() - shown_ms < STEP_MS)
    return;
  shown_ms = clock_ms();
  if (done > total)
    done = total;
  unsigned int percent = total ? (unsigned int)(done * 100 / total) : 0;
  memset(bar, '.', WIDTH);
  memset(bar, '#', percent * WIDTH / 100);
  bar[WIDTH] = 0;
  snprintf(line, sizeof line, "\r[%s] %3u%% %llu", bar, percent,
           (unsigned long long)items);
  put(line);
  is_shown = true;
}

void
bar_clear(void)
{
  if (is_shown)
    put("\r\033[K");
  is_shown = false;
}
