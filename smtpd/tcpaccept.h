/*
 * Accept connections and start a child for each, for ever.
 *
 * While as many children run as may, connections wait in the kernel's queue.
 * When that is nearly full, those who have waited longest hear 421, for the
 * kernel would drop who comes next without a word. So do all that wait, on
 * SIGTERM.
 */
#ifndef TRAPLINE_SMTPD_TCPACCEPT_H
#define TRAPLINE_SMTPD_TCPACCEPT_H

#include <stdint.h>

#include "smtpd/tcpchild.h"

/* socket: of tcplisten(); limit: children at once. */
void tcpaccept(int socket, uint32_t limit, struct tcpchild const *child)
    __attribute__((noreturn));

#endif
