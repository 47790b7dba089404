/*
 * The JA4 fingerprint of a TLS client: what it offers, in a form that does not
 * depend on the order in which it does. Pure.
 */
#ifndef TRAPLINE_EDGE_JA4_H
#define TRAPLINE_EDGE_JA4_H

#include <stddef.h>

#define JA4_BYTES 37 /* t13d1516h2_8daaf6152771_e5627efa2ab1 and a NUL */

/* Of a ClientHello: the handshake message of n bytes, its header of four
 * included. 1, or 0 if it is malformed. */
int ja4_fingerprint(unsigned char const *hello, size_t n, char *out);

#endif
