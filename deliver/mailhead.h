/* Addresses in the header of a message, for who replays it. Pure. */
#ifndef TRAPLINE_DELIVER_MAILHEAD_H
#define TRAPLINE_DELIVER_MAILHEAD_H

#include <stddef.h>

#include "lib/address.h"

/*
 * The first field of this name (any case) in the header that n bytes of a
 * message begin with, if its body is one address, with brackets or without:
 * 1, and *behind is the offset behind it; else 0. A field that goes on in
 * another line is none. "<>" is an address (length 0).
 */
int mailhead_address(char const *message, size_t n, char const *name,
                     struct address *address, size_t *behind);

/* The same of the field at *behind alone. */
int mailhead_next(char const *message, size_t n, char const *name,
                  struct address *address, size_t *behind);

#endif
