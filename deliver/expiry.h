/*
 * Which jobs of a queue go first when there are too many; dq-expire(8). No
 * files, no clock.
 *
 * Of fair shares: a job weighs as much as the jobs of its client's network that
 * are not older than it, or those of its sender, whichever is more. The
 * heaviest go first. So what goes is of the largest network or sender that is
 * left, the oldest of it first, and small ones hold out until the large ones
 * are as small. Many names on one flood, of senders or clients, change nothing.
 */
#ifndef TRAPLINE_DELIVER_EXPIRY_H
#define TRAPLINE_DELIVER_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct expiry_job {
  uint64_t network, sender; /* the same numbers: the same client, sender */
  uint64_t weight;          /* jobs or bytes */
  uint32_t name;            /* where it is in names */
  uint32_t age_s, bytes;    /* UINT32_MAX: or more */
  bool gone;                /* it does not count */
  bool left;                /* it counts, but cannot be removed */
};

/* All zero: no jobs. */
struct expiry {
  struct expiry_job *job;
  size_t count, room;
  char *names;
  size_t used, size;
  uint64_t seed; /* at random, so that nobody can make senders alike */
};

/* Put in a job; the rest of it is zero. 1, or 0 if there is no memory. */
int expiry_add(struct expiry *expiry, char const *name, int64_t age_s);

char const *expiry_name(struct expiry const *expiry,
                        struct expiry_job const *job);

/* The oldest first, and of one age by name. */
void expiry_sort(struct expiry *expiry);

/* A client's network: /24 of IPv4, /64 of IPv6; 0 if it is no address. */
uint64_t expiry_network(char const *ip);

/* A sender, in upper or lower case. */
uint64_t expiry_sender(struct expiry const *expiry, char const *address,
                       size_t n);

enum expiry_unit { EXPIRY_JOBS, EXPIRY_BYTES };

/* The heaviest first, and of one weight the oldest. 1, or 0 if there is no
 * memory. */
int expiry_rank(struct expiry *expiry, enum expiry_unit unit);

/* No jobs, but the memory stays for the next. */
void expiry_clear(struct expiry *expiry);

#endif
