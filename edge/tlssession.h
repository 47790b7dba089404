/* One TLS session of trap-tlsd, in a process of its own. */
#ifndef TRAPLINE_EDGE_TLSSESSION_H
#define TRAPLINE_EDGE_TLSSESSION_H

#include <openssl/ssl.h>

/* Serve a borrower (lib/tlsborrow.h) to the end. */
void tlssession_run(SSL_CTX *context, int borrower);

#endif
