/*
 * Counts the offences in a log and denies networks in a history; see
 * denylist.h for what it has of them.
 */
#ifndef TRAPLINE_EDGE_DENYCOUNT_H
#define TRAPLINE_EDGE_DENYCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge/history.h"

#define DENYCOUNT_LINE_MAX 1100 /* a log line and its TAI64N label */

struct denycount {
  struct history *history;
  uint32_t most; /* refusals; at most the history's instants */
  uint32_t v4;   /* lengths of networks */
  uint32_t v6;
  int64_t window_ms; /* within which they come */
  int64_t forget_ms; /* after the last of which it is over */
  size_t used;       /* of the line; 0: at its begin */
  char line[DENYCOUNT_LINE_MAX];
};

/* Take a piece of the log. Longer lines than any of ours are skipped. Returns
 * how many networks are newly denied, each of which is logged; -1 with errno
 * if the history cannot be locked. */
int denycount_take(struct denycount *count, char const *bytes, size_t n,
                   int64_t now_ms);

#endif
