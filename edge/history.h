/*
 * When networks did something last: a file of a fixed size, mapped, in which
 * each network has its last few instants. Several processes may use it at
 * once, under a lock that the kernel drops with the process. It is cut into
 * sets of HISTORY_WAYS networks: one that is new to a full set takes the place
 * of the one that has been silent for longest.
 *
 * What a crash or a stranger leaves in the file may be wrong, and does no harm
 * but that.
 */
#ifndef TRAPLINE_EDGE_HISTORY_H
#define TRAPLINE_EDGE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/network.h"

#define HISTORY_WAYS 8
#define HISTORY_INSTANTS_MAX 1000

struct history_entry {
  struct network network;
  uint8_t used;
  uint8_t kept;      /* not to be displaced */
  uint32_t next;     /* index of the oldest instant */
  int64_t marked;    /* the user's own */
  int64_t instant[]; /* as many as the history has; 0: none */
};

struct history {
  int fd;
  uint32_t sets;
  uint32_t instants;
  size_t entry_bytes;
  size_t bytes;
  char *entries;
};

/* Open or make a file of so many sets and instants: 1 to
 * HISTORY_INSTANTS_MAX. One of another size is made anew, empty. 0, or -1 with
 * errno. */
int history_open(struct history *history, char const *path, uint32_t sets,
                 uint32_t instants);

/* From here to the unlock no other process has the file. 0, or -1 with
 * errno. */
int history_lock(struct history *history);
void history_unlock(struct history *history);

/* The entry of a network, or NULL. */
struct history_entry *history_find(struct history *history,
                                   struct network const *network);

/* The same; one that is not there is made, with no instants. NULL: all of its
 * set are kept. */
struct history_entry *history_get(struct history *history,
                                  struct network const *network);

/* The entry at index i, below sets times HISTORY_WAYS. NULL: it is free. */
struct history_entry *history_at(struct history *history, size_t i);

/* Add an instant in place of the oldest. */
void history_add(struct history *history, struct history_entry *entry,
                 int64_t instant);

/* The nth last instant, 1 being the last; 0: there is none. n: at most the
 * instants of the history. */
int64_t history_instant(struct history const *history,
                        struct history_entry const *entry, uint32_t n);

#endif
