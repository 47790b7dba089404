/*
 * RFC 5321 paths. Pure: bytes in, struct out; no descriptor, no allocation.
 *
 * Strict is the grammar of RFC 5321 section 4.1.2 with UTF-8 as RFC 6531:
 * <[@route:]local@domain>, <>, <Postmaster>. Lax takes in addition what real
 * clients send and a trap can make sense of: no angle brackets, two of them,
 * none that opens, a comma or semicolon behind them, blanks before and
 * inside the brackets at either end, no domain, dots anywhere in the local
 * part, quotes and backslashes anywhere in it, other specials except < > [ ],
 * an @ (the last one parts it from the domain), underscores, hyphens anywhere
 * and a last dot in the domain, bytes that are no UTF-8, any text without
 * blanks in an address literal, literals in a route. What strict takes, lax
 * takes with the same result; tests/data/addresses shows each case.
 *
 * Strict also holds the local part to 64 bytes and the domain to 255.
 *
 * Never taken: NUL and other control characters, unquoted blanks inside an
 * address, an open quote or bracket, more than ADDRESS_MAX bytes.
 */
#ifndef TRAPLINE_LIB_ADDRESS_H
#define TRAPLINE_LIB_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes in an address, route not counted; RFC 5321 section 4.5.3.1.3 asks for
 * 256 with the route. */
#define ADDRESS_MAX 900

struct address {
  size_t length;              /* 0: the null reverse-path */
  char text[ADDRESS_MAX + 1]; /* local@domain as it was sent: no brackets, no
                                 route, quotes kept; NUL-terminated */
};

enum address_mode { ADDRESS_LAX, ADDRESS_STRICT };

/*
 * Read one path at the start of n bytes of text (what follows "FROM:" or
 * "TO:"). Returns how many bytes it took, blanks before it included, so that
 * text + result is the end or a blank before the parameters; 0 if there is no
 * path here or it is too long. "<>" is a path (length 0).
 */
size_t address_parse(char const *text, size_t n, enum address_mode mode,
                     struct address *address);

/*
 * The mailbox as rules see it: quotes and backslashes of the local part
 * resolved ("us\er"@A.Example is user@a.example), ASCII letters in lower case,
 * a last dot of the domain dropped. out has room for ADDRESS_MAX + 1 bytes,
 * NUL-terminated (an address never holds a NUL). Returns the length; *at is
 * the offset of the @ before the domain, or the length if there is no domain.
 */
size_t address_mailbox(struct address const *address, char *out, size_t *at);

#endif
