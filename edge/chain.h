/*
 * What programs of tcpserver's chain share: they look at the connection on
 * descriptors 0 and 1, and then become the program that their arguments name.
 */
#ifndef TRAPLINE_EDGE_CHAIN_H
#define TRAPLINE_EDGE_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/network.h"

/* Lengths of networks, as -4 and -6 say them. */
struct chain_bits {
  uint32_t v4;
  uint32_t v6;
};

/* The option 4 or 6 with its argument. false: another option. */
bool chain_bits_option(struct chain_bits *bits, int option, char const *text);

/* The client's network. false: his address is not known; logged. */
bool chain_network(struct network *network, struct chain_bits const *bits);

/* Say a reply (CR LF is added) and exit with a code. */
void chain_refuse(char const *reply, int code) __attribute__((noreturn));

/* Trouble on this machine: log what cannot be done to what, and errno; the
 * client hears 421. */
void chain_fail(char const *verb, char const *object) __attribute__((noreturn));

/* Become the program, with default signals and the connection's locks (see
 * lib/process.h). Dies with 111. */
void chain_run(char **program) __attribute__((noreturn));

#endif
