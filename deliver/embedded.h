/*
 * Messages inside a message: its parts of type message/rfc822 and
 * message/global (RFC 2046 section 5.2.1, RFC 6532), byte for byte. Pure.
 *
 * Line ends are LF or CRLF. What is malformed is read as most readers of mail
 * do: a multipart without its last boundary ends where what holds it ends.
 */
#ifndef TRAPLINE_DELIVER_EMBEDDED_H
#define TRAPLINE_DELIVER_EMBEDDED_H

#include <stddef.h>

#include "lib/transfer.h"

#define EMBEDDED_MAX 100      /* messages in one; more are not found */
#define EMBEDDED_DEPTH_MAX 16 /* multiparts in each other */

struct embedded {
  size_t begin, end; /* offsets; the line end before a boundary is the
                        boundary's */
  enum transfer_encoding encoding;
};

/* Find the messages in n bytes of text, in order; those inside of one that was
 * found are left in it. found: room for EMBEDDED_MAX. Returns how many. */
size_t embedded_find(char const *text, size_t n, struct embedded *found);

#endif
