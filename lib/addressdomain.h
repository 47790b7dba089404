/*
 * What may stand behind the @ of an address: names and address literals.
 * Pure. Each function reads at p, which may be end, and returns where what it
 * read ends, or NULL if there is nothing of the kind at p.
 */
#ifndef TRAPLINE_LIB_ADDRESSDOMAIN_H
#define TRAPLINE_LIB_ADDRESSDOMAIN_H

#include "lib/address.h"

/* One character over 127 of UTF-8, as RFC 3629 section 4. */
char const *addressdomain_utf8(char const *p, char const *end);

/* A domain name, as many labels as there are. */
char const *addressdomain_name(char const *p, char const *end,
                               enum address_mode mode);

/* An address literal, [ and ] included. */
char const *addressdomain_literal(char const *p, char const *end,
                                  enum address_mode mode);

#endif
