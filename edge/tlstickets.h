/*
 * The keys of session tickets: who has one of them reads what was said under
 * the tickets it made, so none is for long.
 */
#ifndef TRAPLINE_EDGE_TLSTICKETS_H
#define TRAPLINE_EDGE_TLSTICKETS_H

#include <stdint.h>

#include <openssl/ssl.h>

/* Have a context use keys of ours. 1 or 0. */
int tlstickets_begin(SSL_CTX *context);

/*
 * See that no key is used for longer than it may: a new one each seconds, for
 * which the one before it still opens its own tickets. now: monotonic, in
 * milliseconds. Processes that are forked later have what is there then. 1, or
 * 0: no random bytes, and no tickets.
 */
int tlstickets_update(int64_t now_ms, uint32_t seconds);

#endif
