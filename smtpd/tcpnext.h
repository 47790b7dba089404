/*
 * A child of trap-tcpserver whose session has ended takes the next client
 * itself, for a second after its start: where so many come that a process for
 * each would cost more than their sessions.
 *
 * It holds the listening socket for that, but no longer than its parent lives,
 * so that another server can listen there at once.
 */
#ifndef TRAPLINE_SMTPD_TCPNEXT_H
#define TRAPLINE_SMTPD_TCPNEXT_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* In a child that parent has just started. listening becomes descriptor 3; all
 * others from 3 on are closed. Takes SIGUSR1, which tells of parent's end. */
void tcpnext_begin(int listening, pid_t parent);

/* Take the next client, at *from, on descriptors 0 and 1, which are closed.
 * false: none has come for so long, news (a descriptor, or -1) can be read, the
 * second is over, parent is gone, or a signal has come. */
bool tcpnext_take(struct sockaddr_storage *from, int milliseconds, int news);

#endif
