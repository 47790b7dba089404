#include "deliver/smtpclient.h"

#include <string.h>

#include "tests/unit/tap.h"

#define ALL " NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT IDENT SOURCE "

int
main(void)
{
  static struct client client = {.addr = "2001:db8::1",
                                 .name = "a b.example",
                                 .port = "25",
                                 .proto = "ESMTPS"};
  struct smtpclient lines;
  smtpclient_xclient(&lines, ALL, &client);
  tap_is_number((long long)lines.count, 1, "XCLIENT: one line");
  tap_is_string(lines.line[0],
                "XCLIENT NAME=a+20b.example ADDR=IPV6:2001:db8::1 PORT=25 "
                "PROTO=ESMTP HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE] "
                "DESTADDR=[UNAVAILABLE] DESTPORT=[UNAVAILABLE]\r\n",
                "... as it is");
  smtpclient_xforward(&lines, " ADDR IDENT SOURCE ", &client, "id");
  tap_is_string(lines.line[0],
                "XFORWARD ADDR=IPV6:2001:db8::1 IDENT=id SOURCE=REMOTE\r\n",
                "XFORWARD: what is offered");
  smtpclient_xforward(&lines, "  ", &client, "id");
  tap_is_number((long long)lines.count, 0, "nothing offered: no line");
  memset(client.name, 'n', CLIENT_VALUE_MAX);
  memset(client.helo, '+', CLIENT_VALUE_MAX);
  smtpclient_xforward(&lines, ALL, &client, "");
  tap_ok(lines.count == 1 && strstr(lines.line[0], " HELO=[UNAVAILABLE]"),
         "a value too long for a line");
  memset(client.helo, 'h', CLIENT_VALUE_MAX);
  smtpclient_xforward(&lines, ALL, &client, "");
  tap_is_number((long long)lines.count, 2, "two lines");
  for (size_t i = 0; i < lines.count; i++)
    tap_ok(strlen(lines.line[i]) <= SMTPCLIENT_LINE_MAX &&
               !strncmp(lines.line[i], "XFORWARD ", 9) &&
               !strcmp(lines.line[i] + strlen(lines.line[i]) - 2, "\r\n"),
           "... line %zu", i);
  return tap_done();
}
