/* The Received header that received-line puts on a message. */
#ifndef TRAPLINE_FILTERS_RECEIVED_H
#define TRAPLINE_FILTERS_RECEIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/client.h"
#include "lib/envelope.h"

#define RECEIVED_LINE_MAX 998 /* RFC 5322 section 2.1.1, without CRLF */

struct received {
  struct client const *client;
  struct envelope const *envelope;
  char const *me;
  char const *tls_version; /* NULL or empty: not known, no TLS */
  char const *tls_cipher;
  bool mask; /* no recipients, their notes instead */
  time_t time;
};

/*
 * Write the header, its LF included, in pieces to put(), whose first argument
 * is context. Whatever the client said stays in its place: bytes outside
 * printable ASCII, blanks and ( ) < > ; " \ come out as "?". A line that would
 * pass RECEIVED_LINE_MAX is folded. The date is in local time.
 */
void received_write(struct received const *received,
                    void (*put)(void *context, char const *bytes, size_t n),
                    void *context);

#endif
