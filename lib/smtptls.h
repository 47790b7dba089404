/*
 * The client's side of TLS on a connected, non-blocking descriptor. Functions
 * that read, write or shake hands return -1 with EAGAIN where they have to
 * wait, *wants being what poll(2) is to wait for; another errno: the connection
 * is of no use, and smtptls_error() says why.
 */
#ifndef TRAPLINE_LIB_SMTPTLS_H
#define TRAPLINE_LIB_SMTPTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct smtptls; /* one connection's */

/*
 * host: the server's name or address. verify: its certificate must be one that
 * the system trusts, for that host. NULL on failure. The descriptor stays the
 * caller's.
 */
struct smtptls *smtptls_new(int fd, char const *host, bool verify);
void smtptls_free(struct smtptls *tls);

int smtptls_handshake(struct smtptls *tls, short *wants);

/* As read(2) and write(2); 0: the server has ended TLS. */
ssize_t smtptls_read(struct smtptls *tls, char *bytes, size_t n, short *wants);
ssize_t smtptls_write(struct smtptls *tls, char const *bytes, size_t n,
                      short *wants);

/* "TLSv1.3"... */
char const *smtptls_version(struct smtptls const *tls);

/* Of the last failure; valid until the next. */
char const *smtptls_error(void);

#endif
