/* A listening TCP socket. */
#ifndef TRAPLINE_SMTPD_TCPLISTEN_H
#define TRAPLINE_SMTPD_TCPLISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * An address in numbers, "0" or "" for all of both families (of IPv4 alone,
 * where the kernel has no other), and a port as number or name. false: it is
 * none of these.
 */
bool tcplisten_address(char const *host, char const *port,
                       struct sockaddr_storage *address);

/* Bind and listen. What is accepted there blocks, is closed by exec and does
 * not wait for more to send (TCP_NODELAY); the socket itself does not block. An
 * address in use is tried for a second: processes of a server that was killed
 * may just be letting go of it.
 * Returns it, or -1 with errno. */
int tcplisten(struct sockaddr_storage const *address, int backlog);

/* How many connections wait to be accepted, and how many may. 1, or 0 with
 * errno. */
int tcplisten_waiting(int socket, uint32_t *waiting, uint32_t *most);

#endif
