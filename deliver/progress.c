#include "deliver/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/clock.h"

#define LOOK_EVERY 8 /* steps from one look at the clock to the next */
#define FIRST_MS 2000
#define EVERY_MS 1000

static bool is_shown;

void
progress_start(struct progress *progress, char const *what)
{
  *progress = (struct progress){.what = what, .wanted = isatty(2)};
  if (progress->wanted)
    progress->next_ms = clock_ms() + FIRST_MS;
}

void
progress_step(struct progress *progress)
{
  if (++progress->done % LOOK_EVERY || !progress->wanted)
    return;
  int64_t now_ms = clock_ms();
  if (now_ms < progress->next_ms)
    return;
  progress->next_ms = now_ms + EVERY_MS;
  is_shown = true;
  fprintf(stderr, "\r%s: %llu\033[K", progress->what,
          (unsigned long long)progress->done);
}

void
progress_end(struct progress *progress)
{
  (void)progress;
  progress_hide();
}

void
progress_hide(void)
{
  if (is_shown)
    fputs("\r\033[K", stderr);
  is_shown = false;
}
