/* How far long work is, for who sits at a terminal. */
#ifndef TRAPLINE_DELIVER_PROGRESS_H
#define TRAPLINE_DELIVER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  char const *what; /* kept, not copied */
  uint64_t done;
  int64_t next_ms;
  bool wanted; /* standard error is a terminal */
};

void progress_start(struct progress *progress, char const *what);

/* One more is done. Shown once a second, and not before the second second. */
void progress_step(struct progress *progress);

/* Take it off the terminal. */
void progress_end(struct progress *progress);

/* The same for a while, whoever shows it: something is to be printed. */
void progress_hide(void);

#endif
