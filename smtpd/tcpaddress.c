#include "smtpd/tcpaddress.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/types.h>

struct tcpaddress
tcpaddress_of(struct sockaddr_storage const *address)
{
  struct tcpaddress of = {.port = 0};
  if (address->ss_family == AF_INET6) {
    struct sockaddr_in6 const *v6 = (struct sockaddr_in6 const *)address;
    of.ip = v6->sin6_addr;
    of.port = ntohs(v6->sin6_port);
    of.interface = v6->sin6_scope_id;
  } else {
    struct sockaddr_in const *v4 = (struct sockaddr_in const *)address;
    memset(of.ip.s6_addr + 10, 0xff, 2);
    memcpy(of.ip.s6_addr + 12, &v4->sin_addr, 4);
    of.port = ntohs(v4->sin_port);
  }
  return of;
}

bool
tcpaddress_is_v4(struct tcpaddress const *address)
{
  return IN6_IS_ADDR_V4MAPPED(&address->ip);
}

void
tcpaddress_text(struct tcpaddress const *address, char *out)
{
  if (tcpaddress_is_v4(address))
    inet_ntop(AF_INET, address->ip.s6_addr + 12, out, INET6_ADDRSTRLEN);
  else
    inet_ntop(AF_INET6, &address->ip, out, INET6_ADDRSTRLEN);
}

/* Each a variable of the environment. */
enum { IP, IP6, PORT, PORT6, OF_AN_END };
static char of_local[OF_AN_END][64] = {
    "TCPLOCALIP=", "TCP6LOCALIP=", "TCPLOCALPORT=", "TCP6LOCALPORT="};
static char of_remote[OF_AN_END][64] = {
    "TCPREMOTEIP=", "TCP6REMOTEIP=", "TCPREMOTEPORT=", "TCP6REMOTEPORT="};
static char proto[] = "PROTO=TCP6";

void
tcpaddress_prepare(char const *name)
{
  static char const *const unknown[] = {
      "TCPREMOTEHOST", "TCP6REMOTEHOST", "TCPREMOTEINFO", "TCP6REMOTEINFO",
      "TCP6INTERFACE", "TCPLOCALHOST",   "TCP6LOCALHOST"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    unsetenv(unknown[i]);
  if (name) {
    setenv("TCPLOCALHOST", name, 1);
    setenv("TCP6LOCALHOST", name, 1);
  }
  putenv(proto);
  for (int i = 0; i < OF_AN_END; i++) {
    putenv(of_local[i]);
    putenv(of_remote[i]);
  }
}

static char *
value_of(char *variable)
{
  return strchr(variable, '=') + 1;
}

static void
set_end(struct tcpaddress const *address, char (*variable)[64])
{
  tcpaddress_text(address, value_of(variable[IP]));
  inet_ntop(AF_INET6, &address->ip, value_of(variable[IP6]), INET6_ADDRSTRLEN);
  char *port = value_of(variable[PORT]);
  port[uint32_fmt(port, address->port)] = 0;
  strcpy(value_of(variable[PORT6]), port);
}

void
tcpaddress_environment(struct tcpaddress const *remote,
                       struct tcpaddress const *local)
{
  char interface[IF_NAMESIZE];
  strcpy(proto, tcpaddress_is_v4(remote) ? "PROTO=TCP" : "PROTO=TCP6");
  set_end(local, of_local);
  set_end(remote, of_remote);
  if (remote->interface && if_indextoname(remote->interface, interface))
    setenv("TCP6INTERFACE", interface, 1);
}
