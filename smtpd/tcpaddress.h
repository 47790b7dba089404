/* The two ends of a TCP connection, and how a UCSPI server names them to the
 * program that it starts: tcp-environ(5) of ucspi-tcp. */
#ifndef TRAPLINE_SMTPD_TCPADDRESS_H
#define TRAPLINE_SMTPD_TCPADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4 is written as an IPv6 address that begins with ::ffff:. */
struct tcpaddress {
  struct in6_addr ip;
  uint16_t port;
  uint32_t interface; /* of a link-local address, else 0 */
};

/* What the kernel says. */
struct tcpaddress tcpaddress_of(struct sockaddr_storage const *address);

bool tcpaddress_is_v4(struct tcpaddress const *address);

/* The address in the words of its own family. out: INET6_ADDRSTRLEN bytes. */
void tcpaddress_text(struct tcpaddress const *address, char *out);

#define TCPADDRESS_NAME_MAX 255

/*
 * Put PROTO and the variables that begin with TCP and TCP6 into the
 * environment, without values yet: they are set in place, because a process
 * that has no memory allocated is cheaper to fork. name: TCPLOCALHOST, or NULL;
 * kept as a copy. Those that nobody looks up, TCPREMOTEHOST and TCPREMOTEINFO,
 * are taken out. variables: room for most pointers, the environment from then
 * on. Once. false: they are too many, or name is too long.
 */
bool tcpaddress_prepare(char const *name, char **variables, size_t most);

/* Set them, for each connection anew. */
void tcpaddress_environment(struct tcpaddress const *remote,
                            struct tcpaddress const *local);

#endif
