/*
 * What TLS connections may use: the file "policy", lines of a word and its
 * value:
 *
 *   minimum 1.2          1.0, 1.1, 1.2 or 1.3
 *   ciphers LIST         up to TLS 1.2, as OpenSSL has them
 *   ciphersuites LIST    of TLS 1.3, likewise
 */
#ifndef TRAPLINE_EDGE_TLSPOLICY_H
#define TRAPLINE_EDGE_TLSPOLICY_H

#include <openssl/ssl.h>

#define TLSPOLICY_FILE "policy"

/* The one context of a service. Does not return on failure. */
SSL_CTX *tlspolicy_context(void);

/* Have the context follow the file of the working directory, if it has changed;
 * one that is wrong is logged, and changes nothing. Whether all is well. */
int tlspolicy_update(SSL_CTX *context);

#endif
