/*
 * A connection of the load client: SMTP as most clients speak it, one command,
 * then its reply. What it counts is in struct totals.
 */
#ifndef TRAPLINE_BENCH_LOAD_H
#define TRAPLINE_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan {
  uint16_t port;         /* of 127.0.0.1 */
  unsigned clients;      /* at once; in bursts: connections a burst */
  uint64_t a_connection; /* messages on it, 0: until the end */
  uint64_t most;         /* messages in all, 0: any */
  int64_t run_ms;        /* no connection and, but for each connection's
                          * first, no message begins later */
  int64_t burst_ms;      /* between bursts, 0: no bursts */
  bool idle;             /* stay after the reply to EHLO */
  char const *body;      /* as sent, with its final dot */
  size_t body_bytes;
};

struct totals {
  uint64_t connections, begun, stored; /* stored: answered 250 */
  uint64_t later, never;               /* heard 4xx, 5xx */
  uint64_t refused, lost;              /* at connect; without an answer */
  int64_t greeted_ms, stored_ms;       /* the longest wait for each */
  int64_t last_ms;                     /* when the last answer came */
  unsigned open, quitting;             /* of the open ones, after QUIT */
  unsigned waiting;                    /* idle after EHLO */
};

enum phase {
  PHASE_GREETING,
  PHASE_EHLO,
  PHASE_MAIL,
  PHASE_RCPT,
  PHASE_DATA,
  PHASE_BODY,
  PHASE_QUIT,
};

struct connection {
  int fd; /* -1: none */
  enum phase phase;
  bool wants_write;
  char code[4];  /* of the reply's present line */
  unsigned seen; /* of its bytes, at most 4 */
  size_t body_sent;
  uint64_t messages; /* begun here */
  int64_t since_ms;  /* connect or MAIL */
};

struct load {
  struct plan plan;
  struct totals totals;
  struct connection *connections;
  unsigned slots;
  unsigned *unused; /* a stack of indices into connections */
  unsigned unused_count;
  unsigned sources; /* connections get 127.x.y.z in turn */
  int epoll;
  int64_t begin_ms;
  bool ending; /* no new message, no new connection */
};

int64_t load_now_ms(void);

/* Open one more connection. False if this process has no more descriptors. */
bool load_connect(struct load *load);

/* Something came, or can be written. */
void load_serve(struct load *load, struct connection *c);

/* Close, whatever its state. */
void load_close(struct load *load, struct connection *c);

#endif
