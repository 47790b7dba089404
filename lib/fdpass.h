/* One byte over a connected Unix stream socket, with descriptors. */
#ifndef TRAPLINE_LIB_FDPASS_H
#define TRAPLINE_LIB_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 2 /* descriptors in one message */

/* Send byte and n descriptors (0 to FDPASS_MAX), which stay open here. Does
 * not block: a full socket is EAGAIN. 0 or -1. */
int fdpass_send(int socket, char byte, int const *fds, size_t n);

/*
 * Receive a byte and at most FDPASS_MAX descriptors, close-on-exec; *n says
 * how many. Does not block. 1; 0 at end of file; -1 with errno (EAGAIN:
 * nothing there; EPROTO: more descriptors than that; EMFILE: this process can
 * have no more; those that came are closed).
 */
int fdpass_receive(int socket, char *byte, int *fds, size_t *n);

#endif
