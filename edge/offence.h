/*
 * What a log line of trap-smtpd says of a client's offences. Pure.
 */
#ifndef TRAPLINE_EDGE_OFFENCE_H
#define TRAPLINE_EDGE_OFFENCE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct offence {
  char ip[INET6_ADDRSTRLEN]; /* as logged; perhaps no address */
  uint32_t hard;             /* refusals; above 0 */
};

/* Read a line without its LF, a TAI64N label before it or not: the end of a
 * session that had hard refusals. false: any other line. What a client chose
 * (names, addresses) is never taken for another field. */
bool offence_parse(struct offence *offence, char const *line, size_t n);

#endif
