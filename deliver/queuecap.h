/*
 * Caps on what waits in a directory queue. The count is taken from the
 * directories and kept for a while, with what this process added to it: exact
 * for one writer, and jobs that left the queue are noticed within a second or,
 * where counting takes long, within ten times as long as that.
 */
#ifndef TRAPLINE_DELIVER_QUEUECAP_H
#define TRAPLINE_DELIVER_QUEUECAP_H

#include <stdint.h>

struct queuecap {
  uint64_t most; /* 0: no cap */
  int (*counter)(int directory, uint64_t enough, uint64_t *count);
  uint64_t count;   /* as far as known; at least most if it is that or more */
  int64_t fresh_ns; /* monotonic: until then the count is good for room */
  int64_t full_ns;  /* and until then for no room */
};

/* Count jobs in queue/ (names that begin with a digit and are no directories),
 * or bytes of the files in data/x/y, no further than enough. 0, or -1 with
 * errno. */
int queuecap_jobs(int directory, uint64_t enough, uint64_t *count);
int queuecap_bytes(int directory, uint64_t enough, uint64_t *count);

/* No count yet. counter: one of the two above. */
void queuecap_start(struct queuecap *cap, uint64_t most,
                    int (*counter)(int, uint64_t, uint64_t *));

/* 1 if there is room for so many more, 0 if not, -1 with errno if the directory
 * cannot be read. */
int queuecap_has_room(struct queuecap *cap, int directory, uint64_t more);

/* Note that this process has put so many more in. */
void queuecap_add(struct queuecap *cap, uint64_t more);

#endif
