/*
 * The keys and certificates of a directory: NAME.pem, each a private key and
 * its chain, for clients that ask for NAME; default.pem for all others.
 * NAME+rsa.pem is another one of the same name, for those that want RSA. A file
 * that cannot be used is logged, and what it was before stays in use.
 */
#ifndef TRAPLINE_EDGE_TLSKEYS_H
#define TRAPLINE_EDGE_TLSKEYS_H

#include <openssl/ssl.h>

#define TLSKEYS_MAX 256      /* files that are used */
#define TLSKEYS_NAME_MAX 255 /* bytes in a name */
#define TLSKEYS_DEFAULT "default"

/* Make a self-signed default.pem for host in the working directory, if it has
 * none. Does not return on failure. */
void tlskeys_make(char const *host);

/* See what has changed in the working directory. Whether there is a default.
 */
int tlskeys_update(void);

/* Have a connection use the files for name, or NULL. 1 or 0. */
int tlskeys_use(SSL *ssl, char const *name);

#endif
