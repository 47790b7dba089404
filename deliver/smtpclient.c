#include "deliver/smtpclient.h"

#include <stdio.h>
#include <string.h>

#include "lib/xtext.h"

#define ATTRIBUTE_MAX 480 /* bytes of one, its blank counted */

static void
add(struct smtpclient *lines, char const *command, char const *attribute)
{
  size_t n = strlen(attribute);
  char *line;
  if (!lines->count || lines->used + n + 2 > SMTPCLIENT_LINE_MAX) {
    if (lines->count == SMTPCLIENT_LINES_MAX)
      return;
    line = lines->line[lines->count++];
    strcpy(line, command);
    lines->used = strlen(line);
  }
  line = lines->line[lines->count - 1];
  memcpy(line + lines->used, attribute, n);
  lines->used += n;
  strcpy(line + lines->used, "\r\n"); /* the next one begins over it */
}

static void
say(struct smtpclient *lines, char const *command, char const *offered,
    char const *name, char const *value)
{
  char wanted[32], text[ATTRIBUTE_MAX], attribute[ATTRIBUTE_MAX + 32];
  snprintf(wanted, sizeof wanted, " %s ", name);
  if (!strcasestr(offered, wanted))
    return;
  if (!*value || xtext_encode(value, strlen(value), text, sizeof text - 32) < 0)
    strcpy(text, "[UNAVAILABLE]");
  snprintf(attribute, sizeof attribute, " %s=%s", name, text);
  add(lines, command, attribute);
}

/* An address with what tells that it is one of IPv6. */
static char const *
tagged(char const *address, char *out, size_t size)
{
  snprintf(out, size, "%s%s", strchr(address, ':') ? "IPV6:" : "", address);
  return out;
}

void
smtpclient_xclient(struct smtpclient *lines, char const *offered,
                   struct client const *client)
{
  char address[80];
  char const *proto = client->proto;
  lines->count = 0;
  say(lines, "XCLIENT", offered, "NAME", client->name);
  say(lines, "XCLIENT", offered, "ADDR",
      tagged(client->addr, address, sizeof address));
  say(lines, "XCLIENT", offered, "PORT", client->port);
  /* ESMTPS and the like are no values of XCLIENT's. */
  if (*proto)
    say(lines, "XCLIENT", offered, "PROTO", *proto == 'E' ? "ESMTP" : "SMTP");
  say(lines, "XCLIENT", offered, "HELO", client->helo);
  say(lines, "XCLIENT", offered, "LOGIN", client->login);
  say(lines, "XCLIENT", offered, "DESTADDR",
      tagged(client->destaddr, address, sizeof address));
  say(lines, "XCLIENT", offered, "DESTPORT", client->destport);
}

void
smtpclient_xforward(struct smtpclient *lines, char const *offered,
                    struct client const *client, char const *ident)
{
  char address[80];
  lines->count = 0;
  say(lines, "XFORWARD", offered, "NAME", client->name);
  say(lines, "XFORWARD", offered, "ADDR",
      tagged(client->addr, address, sizeof address));
  say(lines, "XFORWARD", offered, "PORT", client->port);
  say(lines, "XFORWARD", offered, "PROTO", client->proto);
  say(lines, "XFORWARD", offered, "HELO", client->helo);
  if (*ident)
    say(lines, "XFORWARD", offered, "IDENT", ident);
  say(lines, "XFORWARD", offered, "SOURCE", *client->addr ? "REMOTE" : "LOCAL");
}
