/* The numbers of directory queues, printed; dq-stat(1). */
#ifndef TRAPLINE_DELIVER_STATFORM_H
#define TRAPLINE_DELIVER_STATFORM_H

#include <stddef.h>
#include <stdint.h>

enum statform { STATFORM_LINES, STATFORM_TABLE, STATFORM_METRICS };

struct queuestat {
  char const *directory; /* as it was given */
  uint64_t waiting, active, deferred, failed;
  uint64_t bytes;    /* of all data files */
  uint64_t oldest_s; /* since the oldest waiting or active job came; 0: none */
  int watch;
  uint64_t in, out; /* jobs made and removed in the window */
};

/* Print them to standard output. window_ms: 0 leaves rates out. */
void statform_print(enum statform form, struct queuestat const *stats, size_t n,
                    int64_t window_ms);

#endif
