#include "smtpd/tcpaddress.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#define OURS_MAX 11 /* variables that are set here */

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
static char host[2][sizeof "TCP6LOCALHOST=" + TCPADDRESS_NAME_MAX];

/* Begins with one of the names that are ours to set, or to leave out. */
static bool
is_ours(char const *variable)
{
  static char const *const names[] = {
      "PROTO",          "TCPLOCALIP",     "TCPLOCALPORT",   "TCPLOCALHOST",
      "TCPREMOTEIP",    "TCPREMOTEPORT",  "TCPREMOTEHOST",  "TCPREMOTEINFO",
      "TCP6LOCALIP",    "TCP6LOCALPORT",  "TCP6LOCALHOST",  "TCP6REMOTEIP",
      "TCP6REMOTEPORT", "TCP6REMOTEHOST", "TCP6REMOTEINFO", "TCP6INTERFACE"};
  size_t n = strcspn(variable, "=");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strlen(names[i]) == n && !strncmp(variable, names[i], n))
      return true;
  return false;
}

bool
tcpaddress_prepare(char const *name, char **variables, size_t most)
{
  char **end = variables;
  for (char **variable = environ; *variable; variable++)
    if (is_ours(*variable))
      continue;
    else if (end + OURS_MAX + 1 == variables + most)
      return false;
    else
      *end++ = *variable;
  *end++ = proto;
  for (int i = 0; i < OF_AN_END; i++) {
    *end++ = of_local[i];
    *end++ = of_remote[i];
  }
  if (name && strlen(name) > TCPADDRESS_NAME_MAX)
    return false;
  if (name) {
    stpcpy(stpcpy(host[0], "TCPLOCALHOST="), name);
    stpcpy(stpcpy(host[1], "TCP6LOCALHOST="), name);
    *end++ = host[0];
    *end++ = host[1];
  }
  environ = variables;
  return true;
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
