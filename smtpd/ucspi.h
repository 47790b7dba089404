/* What a UCSPI server (tcpserver and kin) says of the connection. */
#ifndef TRAPLINE_SMTPD_UCSPI_H
#define TRAPLINE_SMTPD_UCSPI_H

#include "lib/client.h"

/*
 * Fill in addr, name, port, login, destaddr and destport of *client from
 * ${PROTO}REMOTEIP, ${PROTO}REMOTEHOST and so on, PROTO being TCP where it is
 * not set. An IPv4 address in IPv6 form is given as IPv4, an unknown PROTO
 * falls back to TCP; values too long are cut, control characters become "?".
 * Without such an environment everything stays unknown.
 */
void ucspi_client(struct client *client);

#endif
