#include "smtpd/tcplisten.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static void
test_addresses(void)
{
  static struct {
    char const *host, *port;
    char const *text; /* NULL: it is none */
  } const cases[] = {
      {"0", "25", "[::]:25"},
      {"", "0", "[::]:0"},
      {"::", "65535", "[::]:65535"},
      {"::1", "7", "[::1]:7"},
      {"2001:db8::1", "7", "[2001:db8::1]:7"},
      {"::ffff:127.0.0.1", "7", "[::ffff:127.0.0.1]:7"},
      {"127.0.0.1", "025", "127.0.0.1:25"},
      {"0.0.0.0", "25", "0.0.0.0:25"},
      {"127.0.0.1", "65536", NULL},
      {"127.0.0.1", "-1", NULL},
      {"127.0.0.1", "", NULL},
      {"127.0.0.1", "25x", NULL},
      {"127.0.0.1", "no-such-service", NULL},
      {"127.1", "25", NULL},
      {"00", "25", NULL},
      {"127.0.0.1 ", "25", NULL},
      {"[::1]", "25", NULL},
      {"localhost", "25", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct sockaddr_storage of;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&of;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&of;
    char ip[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 10] = "none";
    memset(&of, 0xff, sizeof of);
    if (tcplisten_address(cases[i].host, cases[i].port, &of)) {
      bool is_v6 = of.ss_family == AF_INET6;
      if (is_v6)
        inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof ip);
      else
        inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof ip);
      snprintf(text, sizeof text, is_v6 ? "[%s]:%u" : "%s:%u", ip,
               ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
    }
    tap_is_string(text, cases[i].text ? cases[i].text : "none", cases[i].host);
  }
}

static int
listen_at(char const *host, char const *port, int backlog,
          struct sockaddr_storage *at)
{
  socklen_t size = sizeof *at;
  if (!tcplisten_address(host, port, at))
    return -1;
  int fd = tcplisten(at, backlog);
  if (fd >= 0)
    getsockname(fd, (struct sockaddr *)at, &size);
  return fd;
}

static int
connect_to(struct sockaddr_storage const *at)
{
  int fd = socket(at->ss_family, SOCK_STREAM, 0);
  return connect(fd, (struct sockaddr const *)at, sizeof *at) ? -1 : fd;
}

static int
option(int fd, int level, int name)
{
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(fd, level, name, &value, &size);
  return value;
}

static void
test_socket(char const *host)
{
  struct sockaddr_storage at;
  char port[8];
  int fd = listen_at(host, "0", 5, &at);
  tap_ok(fd >= 0, "listen at %s", host);
  tap_ok(fcntl(fd, F_GETFL) & O_NONBLOCK, "it does not block");
  tap_ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "it is closed by exec");
  int client = connect_to(&at);
  struct pollfd come = {fd, POLLIN, 0};
  tap_is_number(poll(&come, 1, 10000), 1, "a client comes");
  int served = accept(fd, NULL, NULL);
  tap_ok(served >= 0 && !(fcntl(served, F_GETFL) & O_NONBLOCK),
         "what is accepted blocks");
  tap_is_number(option(served, IPPROTO_TCP, TCP_NODELAY), 1,
                "... and does not wait for more to send");
  struct sockaddr_storage same;
  snprintf(port, sizeof port, "%u",
           ntohs(((struct sockaddr_in *)&at)->sin_port));
  errno = 0;
  tap_ok(listen_at(host, port, 5, &same) == -1 && errno == EADDRINUSE,
         "no second one at the same port");
  close(fd);
  shutdown(served, SHUT_RDWR);
  close(served); /* first, so that it is in TIME_WAIT */
  fd = listen_at(host, port, 5, &same);
  tap_ok(fd >= 0, "when it is closed, at once a new one");
  close(fd);
  close(client);
}

static void
test_waiting(void)
{
  struct sockaddr_storage at;
  uint32_t waiting = 9, most = 9;
  int client[5];
  int fd = listen_at("127.0.0.1", "0", 5, &at);
  tap_ok(tcplisten_waiting(fd, &waiting, &most) && !waiting && most == 5,
         "nobody waits, five may");
  for (uint32_t i = 0; i < 5; i++) {
    client[i] = connect_to(&at);
    /* the kernel may need a moment for the last packet of the handshake */
    for (int left = 5000; left && waiting < i + 1; left--) {
      tcplisten_waiting(fd, &waiting, &most);
      if (waiting < i + 1)
        poll(NULL, 0, 1);
    }
    tap_ok(waiting == i + 1 && most == 5, "%u wait", i + 1);
  }
  close(accept(fd, NULL, NULL));
  tap_ok(tcplisten_waiting(fd, &waiting, &most) && waiting == 4,
         "one less when one was accepted");
  for (size_t i = 0; i < 5; i++)
    close(client[i]);
  close(fd);
  fd = open("/dev/null", O_RDONLY);
  errno = 0;
  tap_ok(!tcplisten_waiting(fd, &waiting, &most) && errno == ENOTSOCK,
         "no socket");
  close(fd);
}

int
main(void)
{
  struct sockaddr_storage at;
  test_addresses();
  test_socket("127.0.0.1");
  test_socket("::1");
  test_socket("0");
  test_waiting();
  errno = 0;
  tap_ok(listen_at("192.0.2.1", "0", 5, &at) == -1 && errno == EADDRNOTAVAIL,
         "an address of another host");
  return tap_done();
}
