#include "smtpd/tcpaddress.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

static struct sockaddr_storage
address(char const *ip, uint16_t port, uint32_t interface)
{
  struct sockaddr_storage of = {.ss_family = AF_INET};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&of;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&of;
  v4->sin_port = htons(port);
  if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1)
    return of;
  of.ss_family = AF_INET6;
  inet_pton(AF_INET6, ip, &v6->sin6_addr);
  v6->sin6_scope_id = interface;
  return of;
}

static void
test_words(void)
{
  static struct {
    char const *ip;
    char const *text;
    bool v4;
  } const cases[] = {
      {"192.0.2.1", "192.0.2.1", true},
      {"255.255.255.255", "255.255.255.255", true},
      {"0.0.0.0", "0.0.0.0", true},
      {"::ffff:192.0.2.1", "192.0.2.1", true},
      {"::192.0.2.1", "::192.0.2.1", false},
      {"64:ff9b::192.0.2.1", "64:ff9b::c000:201", false},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", false},
      {"1111:2222:3333:4444:5555:6666:7777:8888",
       "1111:2222:3333:4444:5555:6666:7777:8888", false},
      {"::", "::", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_storage from = address(cases[i].ip, 65535, 0);
    struct tcpaddress of = tcpaddress_of(&from);
    tcpaddress_text(&of, text);
    tap_is_string(text, cases[i].text, cases[i].ip);
    tap_is_number(tcpaddress_is_v4(&of), cases[i].v4, "... its family");
    tap_is_number(of.port, 65535, "... its port");
  }
}

static void
is_set(char const *variable, char const *wanted)
{
  char const *value = getenv(variable);
  tap_is_string(value ? value : "none", wanted ? wanted : "none", variable);
}

static void
test_unset(char const *const *variable)
{
  for (; *variable; variable++)
    is_set(*variable, NULL);
}

static void
test_environment(void)
{
  static char const *const stale[] = {
      "TCPREMOTEHOST", "TCP6REMOTEHOST", "TCPREMOTEINFO", "TCP6REMOTEINFO",
      "TCP6INTERFACE", "TCPLOCALHOST",   "TCP6LOCALHOST", NULL};
  for (size_t i = 0; stale[i]; i++)
    setenv(stale[i], "of another", 1);
  static char *variables[200];
  tap_ok(tcpaddress_prepare(NULL, variables, 200), "an environment");
  test_unset(stale);
  struct sockaddr_storage to = address("::ffff:192.0.2.1", 25, 0);
  struct sockaddr_storage from = address("198.51.100.255", 65535, 0);
  struct tcpaddress local = tcpaddress_of(&to), remote = tcpaddress_of(&from);
  tcpaddress_environment(&remote, &local);
  test_unset(stale);
  is_set("PROTO", "TCP");
  is_set("TCPLOCALIP", "192.0.2.1");
  is_set("TCP6LOCALIP", "::ffff:192.0.2.1");
  is_set("TCPLOCALPORT", "25");
  is_set("TCP6LOCALPORT", "25");
  is_set("TCPREMOTEIP", "198.51.100.255");
  is_set("TCP6REMOTEIP", "::ffff:198.51.100.255");
  is_set("TCPREMOTEPORT", "65535");
  is_set("TCP6REMOTEPORT", "65535");
}

static void
test_limits(void)
{
  char name[TCPADDRESS_NAME_MAX + 2];
  char *variables[200];
  memset(name, 'x', sizeof name);
  name[sizeof name - 1] = 0;
  tap_ok(!tcpaddress_prepare(name, variables, 200), "a name of 256 bytes");
  setenv("TCPADDRESS_TEST", "1", 1);
  tap_ok(!tcpaddress_prepare(NULL, variables, 12), "no room for another's");
}

static void
test_interface(void)
{
  char name[IF_NAMESIZE];
  uint32_t interface = if_indextoname(1, name) ? 1 : 0;
  static char const longest[] = "fe80:2222:3333:4444:5555:6666:7777:8888";
  struct sockaddr_storage to = address("fe80::1", 1, interface);
  struct sockaddr_storage from = address(longest, 2, interface);
  struct tcpaddress local = tcpaddress_of(&to), remote = tcpaddress_of(&from);
  static char *variables[200];
  tap_ok(tcpaddress_prepare("trap.example", variables, 200), "with a name");
  tcpaddress_environment(&remote, &local);
  is_set("PROTO", "TCP6");
  is_set("TCPLOCALHOST", "trap.example");
  is_set("TCP6LOCALHOST", "trap.example");
  is_set("TCPREMOTEIP", longest);
  is_set("TCP6REMOTEIP", longest);
  is_set("TCPLOCALIP", "fe80::1");
  is_set("TCPLOCALPORT", "1");
  is_set("TCPREMOTEPORT", "2");
  is_set("TCP6INTERFACE", interface ? name : NULL);
}

int
main(void)
{
  test_words();
  test_limits();
  test_environment();
  test_interface();
  return tap_done();
}
