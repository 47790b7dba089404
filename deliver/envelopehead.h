/*
 * The envelope as header fields, on top of a message that is kept where it has
 * no other place: X-Original-To for each recipient, and Return-Path, as
 * Postfix's local(8) has them. feed-mbox(1) reads them.
 *
 * Return-Path comes last: a field X-Original-To that the client's header begins
 * with, or a line that begins with a blank, is none of the recipients'.
 */
#ifndef TRAPLINE_DELIVER_ENVELOPEHEAD_H
#define TRAPLINE_DELIVER_ENVELOPEHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/envelope.h"

struct stage;

/* Have add take them, a line with its LF at a time, until it returns false. */
void envelopehead_add(struct envelope const *envelope, struct stage *stage,
                      bool add(struct stage *stage, char const *line,
                               size_t n));

#endif
