/* Copies between a TLS connection and a stream socket in clear text. */
#ifndef TRAPLINE_EDGE_TLSRELAY_H
#define TRAPLINE_EDGE_TLSRELAY_H

#include <openssl/ssl.h>

/* Until both sides are done; the connection's socket is non-blocking. The end
 * of one direction is passed on as such, and the other goes on. */
void tlsrelay_run(SSL *ssl, int clear);

#endif
