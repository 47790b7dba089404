#include "filters/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#include <skalibs/djbunix.h>
#include <skalibs/types.h>

#include "lib/clock.h"

static int
place_path(struct daemon *daemon, char const *text)
{
  struct sockaddr_un *address = (struct sockaddr_un *)&daemon->address;
  size_t n = strlen(text);
  if (n >= sizeof address->sun_path)
    return 0;
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, text, n + 1);
  daemon->address_bytes = sizeof *address;
  return 1;
}

static int
place_host(struct daemon *daemon, char const *host, uint16_t port)
{
  struct sockaddr_in *four = (struct sockaddr_in *)&daemon->address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&daemon->address;
  if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1",
                &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    daemon->address_bytes = sizeof *four;
    return 1;
  }
  if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1)
    return 0;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  daemon->address_bytes = sizeof *six;
  return 1;
}

int
daemon_place(struct daemon *daemon, char const *text)
{
  char host[INET6_ADDRSTRLEN + 1];
  char const *colon = strrchr(text, ':');
  uint16_t port;
  memset(daemon, 0, sizeof *daemon);
  daemon->socket = -1;
  if (strchr(text, '/'))
    return place_path(daemon, text);
  if (!colon || !uint160_scan(colon + 1, &port) || !port)
    return 0;
  size_t n = (size_t)(colon - text);
  bool in_brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';
  if (in_brackets) {
    text++;
    n -= 2;
  }
  if (!n || n >= sizeof host)
    return 0;
  memcpy(host, text, n);
  host[n] = 0;
  if (in_brackets != (strchr(host, ':') != NULL))
    return 0;
  return place_host(daemon, host, port);
}

/* Milliseconds to the deadline; 0 with errno if there are none. */
static int
time_left(struct daemon const *daemon)
{
  int64_t left = daemon->deadline_ms - clock_ms();
  if (left > 0)
    return left < 86400000 ? (int)left : 86400000;
  errno = ETIMEDOUT;
  return 0;
}

/* Blocking, with a limit: a Unix socket that does not block would fail when the
 * daemon's queue is full for a moment. With a limit the kernel does not begin
 * the call anew after a stop, signal(7). */
static int
try_to_connect(struct daemon *daemon)
{
  int left;
  while ((left = time_left(daemon))) {
    struct timeval most = {left / 1000, left % 1000 * 1000};
    setsockopt(daemon->socket, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    if (connect(daemon->socket, (struct sockaddr *)&daemon->address,
                daemon->address_bytes) == 0)
      return 1;
    if (errno == EAGAIN || errno == EINPROGRESS || errno == EALREADY)
      errno = ETIMEDOUT;
    if (errno != EINTR)
      return 0;
  }
  return 0;
}

int
daemon_connect(struct daemon *daemon, unsigned int seconds)
{
  int one = 1;
  daemon->deadline_ms = clock_ms() + (int64_t)seconds * 1000;
  daemon->socket =
      socket(daemon->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (daemon->socket < 0)
    return 0;
  setsockopt(daemon->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (try_to_connect(daemon))
    return 1;
  daemon_close(daemon);
  return 0;
}

/* Wait for some of these events: which; 0 with errno. */
static int
wait_for(struct daemon const *daemon, int events)
{
  struct pollfd ready = {.fd = daemon->socket, .events = (short)events};
  for (;;) {
    int left = time_left(daemon);
    if (!left)
      return 0;
    int n = poll(&ready, 1, left);
    if (n > 0)
      return ready.revents;
    if (n < 0 && errno != EINTR)
      return 0;
  }
}

int
daemon_send(struct daemon *daemon, char const *bytes, size_t n)
{
  while (n) {
    int events = wait_for(daemon, POLLIN | POLLOUT);
    if (!events)
      return -1;
    if (events & (POLLIN | POLLHUP | POLLERR))
      return 0;
    ssize_t sent = send(daemon->socket, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
      return 0;
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
      return -1;
    if (sent > 0) {
      bytes += sent;
      n -= (size_t)sent;
    }
  }
  return 1;
}

void
daemon_finish(struct daemon *daemon)
{
  shutdown(daemon->socket, SHUT_WR);
}

ssize_t
daemon_receive(struct daemon *daemon, char *bytes, size_t n)
{
  for (;;) {
    if (!wait_for(daemon, POLLIN))
      return -1;
    ssize_t got = recv(daemon->socket, bytes, n, MSG_DONTWAIT);
    if (got >= 0 || (errno != EAGAIN && errno != EINTR))
      return got;
  }
}

void
daemon_close(struct daemon *daemon)
{
  if (daemon->socket >= 0)
    fd_close(daemon->socket);
  daemon->socket = -1;
}
