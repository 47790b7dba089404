/*
 * The envelope as header fields, on top of a message that is kept where it has
 * no other place: X-Original-To for each recipient, and Return-Path, as
 * Postfix's local(8) has them. feed-mbox(1) reads them. Pure.
 *
 * Return-Path comes last: a field X-Original-To that the client's header begins
 * with, or a line that begins with a blank, is none of the recipients'.
 */
#ifndef TRAPLINE_DELIVER_ENVELOPEHEAD_H
#define TRAPLINE_DELIVER_ENVELOPEHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/envelope.h"

#define ENVELOPEHEAD_LINE_MAX (ADDRESS_MAX + 32)

/* Where a walk over the lines is. Start with all zero. */
struct envelopehead {
  bool is_over;
  struct envelope_cursor cursor;
};

/* The next line, with its LF, into out, which has room for
 * ENVELOPEHEAD_LINE_MAX bytes. Its length; 0 after the last one. */
size_t envelopehead_line(struct envelopehead *head,
                         struct envelope const *envelope, char *out);

#endif
