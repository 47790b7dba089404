/*
 * Lanes and their borrowers: who gets which pipeline when.
 *
 * A borrower is a connection to the pool's socket. It waits in order until a
 * lane is idle, then holds it until it says that it is clean, or closes. When
 * somebody waits, those who have held a lane longest are asked to give it back,
 * and others in the place of who does not; after a while the pool grows to its
 * most.
 */
#ifndef TRAPLINE_SMTPD_POOL_H
#define TRAPLINE_SMTPD_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtpd/lane.h"

struct borrower {
  bool waiting;       /* in the queue, else it holds a lane */
  int next, previous; /* descriptors, -1: none */
  int64_t since_ms;   /* in the queue, or with the lane */
  int64_t asked_ms;   /* to give it back; 0: not asked */
  struct lane *lane;  /* NULL if waiting */
};

/* Borrowers by descriptor, oldest first. */
struct queue {
  int first, last;
  size_t length;
};

struct pool {
  struct stagelist *stages; /* of new lanes */
  size_t warm, most;        /* lanes kept, and at the most */
  uint64_t sessions;        /* a lane's, before it is replaced */
  int64_t age_ms;           /* likewise */
  int64_t wait_ms;          /* a borrower's patience */
  uint64_t generation;      /* of new lanes; */
  uint64_t proven; /* older ones are replaced: one of this has started */
  int64_t now_ms;  /* when it woke; whoever calls keeps it */
  int epoll;
  size_t slots; /* in lanes: twice the most, for those ending */
  struct lane *lanes;
  struct lane *idle; /* the last one used first: its caches are warm */
  size_t total;      /* lanes starting, idle and lent */
  size_t starting;
  bool started;           /* one has; before, there is one try at a time */
  int64_t start_after_ms; /* no new lane before: the last one failed */
  int64_t retry_ms;       /* it was put off so long; 0: the last one started */
  size_t borrowers_max;   /* descriptors */
  struct borrower *borrowers;
  struct queue waiting, holding;
  /* since the last log line about waiting */
  uint64_t waited, refused;
  int64_t longest_ms, logged_ms;
  int64_t ticked_ms;
};

/* What an epoll event is about. */
enum pool_event { POOL_LISTEN, POOL_SIGNAL, POOL_BORROWER, POOL_LANE };

/* Make the tables for descriptors below borrowers_max. 1 or 0. */
int pool_init(struct pool *pool, size_t borrowers_max);

/* Watch fd for input. 0 or -1. */
int pool_watch(struct pool *pool, int fd, enum pool_event event,
               uint32_t index);

/* A new connection. */
void pool_borrow(struct pool *pool, int fd);

/* A borrower's connection is readable. */
void pool_hear(struct pool *pool, int fd);

/* The tail of a starting lane is readable. */
void pool_probe(struct pool *pool, size_t lane);

/* Read control/pipeline anew, and replace all lanes once a new one has started:
 * the idle ones then, the lent ones when they are back. */
void pool_renew(struct pool *pool);

/* Collect the processes that have ended. */
void pool_reap(struct pool *pool);

/* For pool.c: put a borrower at the end of a queue, since now; take it out. */
void pool_enqueue(struct pool *pool, struct queue *queue, int fd);
void pool_dequeue(struct pool *pool, struct queue *queue, int fd);

/* Ask as many holders as others wait, those who have held longest first, to
 * give back; none who may just be at work, and others for those who did not. */
void pool_ask_back(struct pool *pool);

/* Log who has waited, once a second. */
void pool_log(struct pool *pool);

/* What has to be done as time passes. Returns how many milliseconds may pass
 * until the next call, -1: any. */
int pool_tick(struct pool *pool);

#endif
