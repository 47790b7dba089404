/* Unix stream sockets, by their path. */
#ifndef TRAPLINE_LIB_UNIXSOCKET_H
#define TRAPLINE_LIB_UNIXSOCKET_H

#include <stdint.h>

/* Connect, without waiting: a non-blocking, close-on-exec descriptor; or -1
 * with errno (EAGAIN: the socket's queue is full). */
int unixsocket_connect(char const *path);

/* Wait until fd is readable, at most until deadline, a time of clock_ms(). 1,
 * or 0 with errno (ETIMEDOUT). */
int unixsocket_wait(int fd, int64_t deadline);

/*
 * Listen at path, open for owner and group: a non-blocking, close-on-exec
 * descriptor. A socket that nobody listens at, as a killed service leaves it,
 * is replaced. Does not return on failure: says why, and exits.
 */
int unixsocket_listen(char const *path);

#endif
