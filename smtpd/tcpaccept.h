/*
 * Accept connections and start a child for each, for ever. While more than 100
 * a second come, a child that has served its client takes the next one itself
 * (tcpnext.h), and new children are started only for clients whom no child has
 * taken within LATE_MS.
 *
 * At the limit of children, connections wait in the kernel's queue. When that
 * is nearly full, those that have waited longest hear 421, because the kernel
 * drops what comes to a full queue without a word. On SIGTERM all that wait
 * hear 421.
 */
#ifndef TRAPLINE_SMTPD_TCPACCEPT_H
#define TRAPLINE_SMTPD_TCPACCEPT_H

#include <stdint.h>

#include "smtpd/tcpchild.h"

/* socket: of tcplisten(); limit: children at once. */
void tcpaccept(int socket, uint32_t limit, struct tcpchild const *child)
    __attribute__((noreturn));

#endif
