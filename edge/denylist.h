/*
 * The networks that are denied, taken from a history, and the files that tell
 * others of them. In the history an entry's mark is the time, in milliseconds,
 * until which it is denied; what is kept is denied for good.
 */
#ifndef TRAPLINE_EDGE_DENYLIST_H
#define TRAPLINE_EDGE_DENYLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "edge/history.h"

struct denied {
  struct network network;
  int64_t until_ms; /* 0: for good */
};

struct denylist {
  struct denied *entries; /* sorted by address */
  size_t n;
  int64_t now_ms;
};

/* Copy what is denied now; with covered false, without what lies in another
 * network of the list. 0, or -1 with errno. The caller frees entries. */
int denylist_collect(struct denylist *list, struct history *history,
                     int64_t now_ms, bool covered);

/* Deny a network for good. false: there is no place for it. The history is
 * locked by the caller, here and below. */
bool denylist_ban(struct history *history, struct network const *network);

/* Forget all networks that have one as a part, or are part of it. */
void denylist_forget(struct history *history, struct network const *network);

/* Forget what is no longer denied. Nothing is denied for longer than forget_ms
 * from now: what seems to be is from before the clock was set back. Returns
 * whether anything was changed. */
bool denylist_expire(struct history *history, int64_t now_ms,
                     int64_t forget_ms);

/* Whether all of the other is in the network. */
bool denylist_covers(struct network const *network,
                     struct network const *other);

/* Whether tcprules has a form for networks of that length. */
bool denylist_fits(struct network const *network);

/* Rules for tcprules(1), with these instructions. */
void denylist_put_rules(FILE *file, struct denylist const *list,
                        char const *instructions);

/* Zones for rbldnsd(8). */
void denylist_put_ip4set(FILE *file, struct denylist const *list);
void denylist_put_ip6trie(FILE *file, struct denylist const *list);

/* Commands for nft(8): two sets of the table inet trapline. */
void denylist_put_nft(FILE *file, struct denylist const *list);

/* "network TAB time", the time being RFC 3339 in UTC or "never". */
void denylist_put_text(FILE *file, struct denylist const *list);

#endif
