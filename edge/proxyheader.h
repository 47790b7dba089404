/*
 * The header of the PROXY protocol that a proxy puts before a connection, as
 * https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt has it: version
 * 1 (a line of text) and 2 (binary). Pure.
 */
#ifndef TRAPLINE_EDGE_PROXYHEADER_H
#define TRAPLINE_EDGE_PROXYHEADER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXYHEADER_MAX (16 + 65535) /* bytes; of version 1: 107 */

struct proxyheader {
  bool known; /* false: LOCAL, UNKNOWN or no TCP; the connection's own hold */
  char remote_ip[INET6_ADDRSTRLEN]; /* IPv4 in IPv6 form comes out as IPv4 */
  char local_ip[INET6_ADDRSTRLEN];
  uint16_t remote_port;
  uint16_t local_port;
};

/* How many more bytes can be read, with n there, and all of them be the
 * header's; 0: it is whole; -1: it is none. */
int proxyheader_wants(unsigned char const *bytes, size_t n);

/* Read a header that is whole. false: it is none. TLVs are skipped. */
bool proxyheader_parse(struct proxyheader *header, unsigned char const *bytes,
                       size_t n);

#endif
