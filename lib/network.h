/*
 * The network that a client is of: its address cut to so many bits. Pure.
 */
#ifndef TRAPLINE_LIB_NETWORK_H
#define TRAPLINE_LIB_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define NETWORK_TEXT_MAX (INET6_ADDRSTRLEN + 4) /* "address/bits" */

struct network {
  unsigned char address[16]; /* IPv4: the first four; bits that are cut: 0 */
  uint8_t bits;
  bool is_v6;
};

/* The network of an address as text, cut to v4 (0 to 32) or v6 (0 to 128)
 * bits. An IPv4 address in IPv6 form is one of IPv4. false: it is no address.
 */
bool network_of(struct network *network, char const *text, unsigned int v4,
                unsigned int v6);

/* A network as network_text() has it, or an address, which is a network of its
 * own; bits behind the length do not count. false: it is neither. */
bool network_scan(struct network *network, char const *text);

/* Whether an address as text is of a network. */
bool network_has(struct network const *network, char const *text);

/* "192.0.2.0/24" or "2001:db8::/56" into out, room for NETWORK_TEXT_MAX. */
void network_text(struct network const *network, char *out);

bool network_equals(struct network const *one, struct network const *other);

/* 64 well mixed bits, the same in every process and on every host. */
uint64_t network_hash(struct network const *network);

#endif
