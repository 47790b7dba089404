#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "smtpd/ucspi.h"

static char const *const variables[] = {
    "PROTO",         "TCPREMOTEIP",   "TCPREMOTEHOST", "TCPREMOTEPORT",
    "TCPREMOTEINFO", "TCPLOCALIP",    "TCPLOCALPORT",  "SSLREMOTEIP",
    "SSLREMOTEHOST", "SSLREMOTEPORT", "IPREMOTEIP",    "REMOTEIP"};

static struct client client;

/* The client, with an environment of these name, value pairs and no other. */
static void
look(char const *const *pairs)
{
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
    unsetenv(variables[i]);
  for (; *pairs; pairs += 2)
    setenv(pairs[0], pairs[1], 1);
  memset(&client, 0, sizeof client);
  ucspi_client(&client);
}

#define LOOK(...) look((char const *const[]){__VA_ARGS__, NULL})

static void
test_addresses(void)
{
  static struct {
    char const *in;
    char const *out;
  } const cases[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"::FFFF:c000:0201", "192.0.2.1"},
      {"0:0:0:0:0:ffff:192.0.2.255", "192.0.2.255"},
      {"::fffe:192.0.2.1", "::fffe:c000:201"},
      {"::192.0.2.1", "::192.0.2.1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
       "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"::", "::"},
      {"256.0.2.1", ""},
      {"192.0.2.1 ", ""},
      {"192.0.2.1\n", ""},
      {"fe80::1%eth0", ""},
      {"unknown", ""},
      {"", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    LOOK("PROTO", "TCP", "TCPREMOTEIP", cases[i].in, "TCPLOCALIP", cases[i].in);
    tap_is_string(client.addr, cases[i].out, "the client's address");
    tap_is_string(client.destaddr, cases[i].out, "our address");
  }
}

static void
test_names(void)
{
  LOOK("PROTO", "TCP", "TCPREMOTEIP", "192.0.2.1", "TCPREMOTEHOST",
       "mx.trap.example", "TCPREMOTEPORT", "4711", "TCPREMOTEINFO", "ident",
       "TCPLOCALIP", "192.0.2.2", "TCPLOCALPORT", "25");
  tap_is_string(client.name, "mx.trap.example", "name");
  tap_is_string(client.port, "4711", "port");
  tap_is_string(client.login, "ident", "ident");
  tap_is_string(client.destport, "25", "our port");
  tap_is_string(client.helo, "", "nothing else is touched");
  LOOK("TCPREMOTEIP", "192.0.2.1");
  tap_is_string(client.addr, "192.0.2.1", "no PROTO: TCP");
  LOOK("PROTO", "SSL", "SSLREMOTEIP", "192.0.2.3", "TCPREMOTEIP", "192.0.2.1",
       "TCPREMOTEHOST", "tcp.example");
  tap_is_string(client.addr, "192.0.2.3", "another PROTO");
  tap_is_string(client.name, "tcp.example", "... and TCP where it is silent");
  LOOK("PROTO", "X25", "TCPREMOTEIP", "192.0.2.1");
  tap_is_string(client.addr, "192.0.2.1", "an unknown PROTO falls back to TCP");
  LOOK("PROTO", "", "REMOTEIP", "192.0.2.4", "TCPREMOTEIP", "192.0.2.1");
  tap_is_string(client.addr, "192.0.2.4", "an empty PROTO is one too");
  LOOK("PROTO", "TCP", "TCPREMOTEHOST",
       "a\tb\rc\nd\x7f"
       "e\xc3\xa4 f");
  tap_is_string(client.name, "a?b?c?d?e\xc3\xa4 f", "control characters");
  look((char const *const[]){NULL});
  tap_ok(!client.addr[0] && !client.name[0] && !client.port[0] &&
             !client.login[0] && !client.destaddr[0] && !client.destport[0],
         "no environment: nothing is known");
}

static void
test_limits(void)
{
  char text[CLIENT_VALUE_MAX + 2];
  char proto[70];
  for (size_t n = CLIENT_VALUE_MAX - 1; n <= CLIENT_VALUE_MAX + 1; n++) {
    size_t kept = n < CLIENT_VALUE_MAX ? n : CLIENT_VALUE_MAX;
    memset(text, 'h', n);
    text[n] = 0;
    LOOK("TCPREMOTEHOST", text, "TCPREMOTEINFO", text);
    tap_is_bytes(client.name, strlen(client.name), text, kept, "a long name");
    tap_is_bytes(client.login, strlen(client.login), text, kept,
                 "a long ident answer");
  }
  LOOK("TCPREMOTEPORT", "123456789");
  tap_is_string(client.port, "1234567", "a port that is none is cut");
  memset(proto, 'P', sizeof proto - 1);
  proto[sizeof proto - 1] = 0;
  LOOK("PROTO", proto, "TCPREMOTEIP", "192.0.2.1");
  tap_is_string(client.addr, "192.0.2.1", "a PROTO too long to be one");
}

int
main(void)
{
  test_addresses();
  test_names();
  test_limits();
  return tap_done();
}
