#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "lib/client.h"

#define BYTES(literal) literal, sizeof literal - 1

static char const unknown[] =
    "XCLIENT ADDR=[UNAVAILABLE] NAME=[UNAVAILABLE] PORT=[UNAVAILABLE] "
    "HELO=[UNAVAILABLE] PROTO=[UNAVAILABLE] LOGIN=[UNAVAILABLE] "
    "DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE]\n";

static char const *
numbered(char const *what, size_t i)
{
  static char name[64];
  snprintf(name, sizeof name, "%s, case %zu", what, i);
  return name;
}

static void
test_whole(void)
{
  struct client client = {"192.0.2.1", "mx.a.example", "4711",        "a b=c+",
                          "ESMTP",     "ident",        "2001:db8::1", "25"};
  static char const line[] =
      "XCLIENT ADDR=192.0.2.1 NAME=mx.a.example PORT=4711 HELO=a+20b+3Dc+2B "
      "PROTO=ESMTP LOGIN=ident DESTADDR=IPV6:2001:db8::1 DESTPORT=25\n";
  struct client read;
  char out[CLIENT_LINE_MAX];
  size_t n = client_format(&client, out);
  tap_is_bytes(out, n, line, sizeof line - 1, "every attribute");
  memset(&read, 'x', sizeof read);
  tap_ok(client_parse(out + 8, n - 9, &read), "... and read again");
  tap_is_string(read.addr, client.addr, "... its addr");
  tap_is_string(read.name, client.name, "... its name");
  tap_is_string(read.port, client.port, "... its port");
  tap_is_string(read.helo, client.helo, "... its helo");
  tap_is_string(read.proto, client.proto, "... its proto");
  tap_is_string(read.login, client.login, "... its login");
  tap_is_string(read.destaddr, client.destaddr, "... its destaddr");
  tap_is_string(read.destport, client.destport, "... its destport");
}

static void
test_nothing_known(void)
{
  struct client client = {0};
  struct client read;
  char out[CLIENT_LINE_MAX];
  size_t n = client_format(&client, out);
  tap_is_bytes(out, n, unknown, sizeof unknown - 1, "nothing known");
  memset(&read, 'x', sizeof read);
  tap_ok(client_parse(out + 8, n - 9, &read), "... and read again");
  tap_is_bytes(&read, sizeof read, &client, sizeof client, "... all empty");
  memset(&read, 'x', sizeof read);
  tap_ok(client_parse("", 0, &read), "no attribute at all");
  tap_is_bytes(&read, sizeof read, &client, sizeof client, "... all empty");
}

/* One attribute read, into the member at offset. */
static void
test_values(void)
{
  static struct {
    char const *text;
    size_t n;
    size_t offset;
    char const *wanted; /* NULL: refused */
  } const cases[] = {
#define A offsetof(struct client, addr)
#define H offsetof(struct client, helo)
#define P offsetof(struct client, port)
#define D offsetof(struct client, destaddr)
      {BYTES("ADDR=192.0.2.1"), A, "192.0.2.1"},
      {BYTES("addr=192.0.2.1"), A, "192.0.2.1"},
      {BYTES("  ADDR=192.0.2.1\t"), A, "192.0.2.1"},
      {BYTES("ADDR=IPV6:2001:db8::1"), A, "2001:db8::1"},
      {BYTES("ADDR=IPv6:2001:DB8:0::1"), A, "2001:db8::1"},
      {BYTES("ADDR=2001:db8::1"), A, "2001:db8::1"},
      {BYTES("ADDR=IPV6:::1"), A, "::1"},
      {BYTES("ADDR=::1"), A, "::1"},
      {BYTES("ADDR=::ffff:192.0.2.1"), A, "::ffff:192.0.2.1"},
      {BYTES("DESTADDR=IPV6:::1"), D, "::1"},
      {BYTES("ADDR="), A, ""},
      {BYTES("ADDR=[UNAVAILABLE]"), A, ""},
      {BYTES("ADDR=[unavailable]"), A, ""},
      {BYTES("NAME=[TEMPUNAVAIL]"), offsetof(struct client, name), ""},
      {BYTES("HELO=[UNAVAILABLE"), H, "[UNAVAILABLE"},
      {BYTES("HELO=[13 bytes]"), H, NULL},
      {BYTES("HELO=[13+20bytes+20]"), H, "[13 bytes ]"},
      {BYTES("HELO=[unavailabl3]"), H, "[unavailabl3]"},
      {BYTES("HELO=+5BUNAVAILABLE]"), H, "[UNAVAILABLE]"},
      {BYTES("HELO=a+20b+C3+A9"), H, "a b\xc3\xa9"},
      {BYTES("HELO=a HELO=b"), H, "b"},
      {BYTES("HELO=a HELO=[UNAVAILABLE]"), H, ""},
      {BYTES("HELO=a OTHER=b HELOS=c HEL=d"), H, "a"},
      {BYTES("HELO=a OTHER="), H, "a"},
      {BYTES("PORT=0"), P, "0"},
      {BYTES("PORT=65534"), P, "65534"},
      {BYTES("PORT=65535"), P, "65535"},
      {BYTES("PORT=65536"), P, NULL},
      {BYTES("PORT=000025"), P, NULL},
      {BYTES("PORT=99999999"), P, NULL},
      {BYTES("PORT=-1"), P, NULL},
      {BYTES("PORT=+2025"), P, NULL},
      {BYTES("DESTPORT=smtp"), P, NULL},
      {BYTES("ADDR=IPV6:192.0.2.1"), A, NULL},
      {BYTES("ADDR=IPV6:"), A, NULL},
      {BYTES("ADDR=192.0.2.256"), A, NULL},
      {BYTES("ADDR=192.0.02.1"), A, NULL}, /* else it had two spellings */
      {BYTES("ADDR=192.0.2"), A, NULL},
      {BYTES("ADDR=unknown"), A, NULL},
      {BYTES("ADDR=::1%25lo"), A, NULL},
      {BYTES("HELO"), H, NULL},
      {BYTES("HELO =a"), H, NULL},
      {BYTES("=a"), H, NULL},
      {BYTES("HELO=a=b"), H, NULL},
      {BYTES("HELO=a+2"), H, NULL},
      {BYTES("HELO=a+0Ab"), H, NULL},
      {BYTES("HELO=a+09b"), H, NULL},
      {BYTES("HELO=a+7Fb"), H, NULL},
      {BYTES("HELO=a+00b"), H, NULL},
      {BYTES("HELO=a\0"), H, NULL},
      {BYTES("HELO=a\r"), H, NULL},
      {BYTES("HELO=\xc3\xa9"), H, NULL},
      {BYTES("HELO=a ADDR=bad"), H, NULL},
#undef A
#undef H
#undef P
#undef D
  };
  struct client before;
  memset(&before, 'x', sizeof before);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct client client = before;
    int got = client_parse(cases[i].text, cases[i].n, &client);
    tap_is_number(got, cases[i].wanted != NULL, numbered("attribute", i));
    if (cases[i].wanted)
      tap_is_string((char *)&client + cases[i].offset, cases[i].wanted,
                    numbered("its value", i));
    else
      tap_is_bytes(&client, sizeof client, &before, sizeof before,
                   numbered("client as it was", i));
  }
}

static void
test_lengths(void)
{
  static struct {
    char const *name;
    size_t most;
  } const cases[] = {{"NAME=", CLIENT_VALUE_MAX},
                     {"HELO=", CLIENT_VALUE_MAX},
                     {"LOGIN=", CLIENT_VALUE_MAX},
                     {"PROTO=", 15}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t n = cases[i].most - 1; n <= cases[i].most + 1; n++) {
      char text[512];
      struct client client;
      size_t start = strlen(cases[i].name);
      memcpy(text, cases[i].name, start);
      memset(text + start, 'v', n);
      tap_ok(client_parse(text, start + n, &client) == (n <= cases[i].most),
             "%s of %zu bytes", cases[i].name, n);
    }
}

static void
test_longest_line(void)
{
  struct client client;
  struct client read;
  char out[CLIENT_LINE_MAX + 1];
  memset(&client, 0xff, sizeof client);
  client.name[CLIENT_VALUE_MAX] = '\0';
  client.helo[CLIENT_VALUE_MAX] = '\0';
  client.login[CLIENT_VALUE_MAX] = '\0';
  client.proto[sizeof client.proto - 1] = '\0';
  strcpy(client.addr, "1111:1111:1111:1111:1111:1111:255.255.255.255");
  strcpy(client.destaddr, client.addr);
  strcpy(client.port, "65535");
  strcpy(client.destport, "65535");
  out[CLIENT_LINE_MAX] = '#';
  size_t n = client_format(&client, out);
  tap_ok(n <= CLIENT_LINE_MAX && out[CLIENT_LINE_MAX] == '#',
         "the longest line fits: %zu bytes", n);
  tap_ok(client_parse(out + 8, n - 9, &read), "... and is read");
  tap_is_string(read.login, client.login, "... whole");
}

/* Whatever the struct holds, the line is one that client_parse() takes. */
static void
test_format_of_junk(void)
{
  struct client client = {.addr = "local",
                          .name = "[TempUnavail]",
                          .port = "smtp",
                          .helo = "a\tb\r\nRSET\x7f",
                          .destaddr = "IPV6:2001:DB8::1",
                          .destport = "65536"};
  struct client read;
  char out[CLIENT_LINE_MAX];
  size_t n = client_format(&client, out);
  tap_ok(memchr(out, '\n', n) == out + n - 1, "one line");
  tap_ok(client_parse(out + 8, n - 9, &read), "... that is read");
  tap_is_string(read.addr, "", "no address");
  tap_is_string(read.name, "[TempUnavail]", "a name that says unknown");
  tap_is_string(read.port, "", "no port");
  tap_is_string(read.helo, "a?b??RSET?", "control characters");
  tap_is_string(read.destaddr, "2001:db8::1", "an address with its prefix");
  tap_is_string(read.destport, "", "no port");
}

int
main(void)
{
  test_whole();
  test_nothing_known();
  test_values();
  test_lengths();
  test_longest_line();
  test_format_of_junk();
  return tap_done();
}
