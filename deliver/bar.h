/* A bar on standard error for long work, if that is a terminal. */
#ifndef TRAPLINE_DELIVER_BAR_H
#define TRAPLINE_DELIVER_BAR_H

#include <stdint.h>

/* done of total (0: not known) in whatever unit, items so far. Shown at most
 * ten times a second. */
void bar_show(uint64_t done, uint64_t total, uint64_t items);

/* Take the bar away. */
void bar_clear(void);

#endif
