#include "smtpd/tcplisten.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/types.h>

#define RETRY_MS 50 /* between two tries where an address is in use */
#define RETRIES 20

bool
tcplisten_address(char const *host, char const *port,
                  struct sockaddr_storage *address)
{
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  struct sockaddr_in *v4 = (struct sockaddr_in *)address;
  uint16_t number;
  memset(address, 0, sizeof *address);
  if (!*host || !strcmp(host, "0") ||
      inet_pton(AF_INET6, host, &v6->sin6_addr) == 1)
    v6->sin6_family = AF_INET6;
  else if (inet_pton(AF_INET, host, &v4->sin_addr) == 1)
    v4->sin_family = AF_INET;
  else
    return false;
  if (uint160_scan(port, &number))
    v6->sin6_port = htons(number); /* where sin_port is too */
  else {
    struct servent const *service = getservbyname(port, "tcp");
    if (!service)
      return false;
    v6->sin6_port = (in_port_t)service->s_port;
  }
  return true;
}

static int
bind_to(struct sockaddr_storage const *address)
{
  static int const on = 1, off = 0;
  socklen_t size = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                  : sizeof(struct sockaddr_in);
  int fd =
      socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (address->ss_family == AF_INET6)
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (!bind(fd, (struct sockaddr const *)address, size))
    return fd;
  int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

static bool
is_for_all(struct sockaddr_storage const *address)
{
  return address->ss_family == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(
             &((struct sockaddr_in6 const *)address)->sin6_addr);
}

static int
try_to_listen(struct sockaddr_storage const *address, int backlog)
{
  int fd = bind_to(address);
  if (fd < 0 && is_for_all(address) &&
      (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
    struct sockaddr_in6 const *v6 = (struct sockaddr_in6 const *)address;
    struct sockaddr_storage all = {.ss_family = AF_INET};
    ((struct sockaddr_in *)&all)->sin_port = v6->sin6_port;
    fd = bind_to(&all);
  }
  if (fd < 0 || !listen(fd, backlog))
    return fd;
  int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

int
tcplisten(struct sockaddr_storage const *address, int backlog)
{
  int fd = try_to_listen(address, backlog);
  for (int i = 0; fd < 0 && errno == EADDRINUSE && i < RETRIES; i++) {
    poll(NULL, 0, RETRY_MS);
    fd = try_to_listen(address, backlog);
  }
  return fd;
}

int
tcplisten_waiting(int socket, uint32_t *waiting, uint32_t *most)
{
  struct tcp_info info;
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
    return 0;
  *waiting = info.tcpi_unacked; /* of a listening socket: its queue */
  *most = info.tcpi_sacked;
  return 1;
}
