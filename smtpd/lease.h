/*
 * What trap-pool and its borrowers say to each other over the pool's Unix
 * stream socket. A borrower connects and waits. The pool sends one byte:
 *
 *   LEASE_JUDGED, LEASE_BLIND  with two descriptors: the head and the tail of
 *                              a clean pipeline, both non-blocking. BLIND: no
 *                              stage of it judges senders
 *   LEASE_REFUSED              none was free in time
 *   LEASE_WANTED               others wait: give it back when your client
 *                              keeps you waiting
 *
 * The borrower sends LEASE_CLEAN when the pipeline is clean again, and closes.
 * One that closes without leaves a pipeline in doubt, which is replaced.
 */
#ifndef TRAPLINE_SMTPD_LEASE_H
#define TRAPLINE_SMTPD_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#define LEASE_JUDGED 'J'
#define LEASE_BLIND 'B'
#define LEASE_REFUSED 'N'
#define LEASE_WANTED 'W'
#define LEASE_CLEAN 'C'

struct lease {
  int socket; /* readable: LEASE_WANTED, or the pool is gone */
  int head, tail;
  bool blind;
};

/*
 * Borrow a pipeline from the pool that listens at path, waiting at most
 * milliseconds, of which 2000 for one that listens, and as many for the next
 * one if it ends. 1; or 0 with errno: ETIMEDOUT, EBUSY if the pool refused,
 * ECONNRESET if the next one ended, too, or that of connect(2).
 */
int lease_take(struct lease *lease, char const *path, int64_t milliseconds);

/* Give it back, clean, or drop it. Closes all three descriptors. */
void lease_end(struct lease *lease, bool clean);

#endif
