#include "lib/client.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/xtext.h"

enum kind { KIND_TEXT, KIND_ADDRESS, KIND_PORT };

static struct attribute {
  char const *name; /* with its = */
  size_t length;    /* of that */
  size_t offset;
  size_t size;
  enum kind kind;
} const attributes[] = {
#define ATTRIBUTE(name, member, kind)                                          \
  {                                                                            \
    name "=", sizeof name, offsetof(struct client, member),                    \
        sizeof(((struct client *)0)->member), kind                             \
  }
    ATTRIBUTE("ADDR", addr, KIND_ADDRESS),
    ATTRIBUTE("NAME", name, KIND_TEXT),
    ATTRIBUTE("PORT", port, KIND_PORT),
    ATTRIBUTE("HELO", helo, KIND_TEXT),
    ATTRIBUTE("PROTO", proto, KIND_TEXT),
    ATTRIBUTE("LOGIN", login, KIND_TEXT),
    ATTRIBUTE("DESTADDR", destaddr, KIND_ADDRESS),
    ATTRIBUTE("DESTPORT", destport, KIND_PORT),
};

#define ATTRIBUTES (sizeof attributes / sizeof *attributes)

static int
says_unknown(char const *text, size_t n)
{
  static char const *const words[] = {"[UNAVAILABLE]", "[TEMPUNAVAIL]"};
  for (size_t i = 0; i < 2; i++)
    if (n == strlen(words[i]) && !strncasecmp(text, words[i], n))
      return 1;
  return 0;
}

/* Bring an address into inet_ntop's form, which one of IPv4 always has. Returns
 * its family, 0 if it is no address. size: of text, at least
 * INET6_ADDRSTRLEN. */
static int
canonical_address(char *text, size_t size)
{
  unsigned char binary[sizeof(struct in6_addr)];
  char const *p = strncasecmp(text, "IPV6:", 5) ? text : text + 5;
  int family = p == text && inet_pton(AF_INET, p, binary) == 1 ? AF_INET
               : inet_pton(AF_INET6, p, binary) == 1           ? AF_INET6
                                                               : 0;
  if (family == AF_INET6)
    inet_ntop(family, binary, text, (socklen_t)size);
  return family;
}

static int
is_port(char const *text)
{
  size_t digits = strspn(text, "0123456789");
  return digits && digits <= 5 && !text[digits] && atol(text) <= 65535;
}

static int
read_value(struct attribute const *attribute, char const *text, size_t n,
           char *out)
{
  if (says_unknown(text, n))
    n = 0;
  int bytes = xtext_decode(text, n, out, attribute->size);
  for (int i = 0; i < bytes; i++)
    if (ascii_is_control(out[i]))
      return 0;
  if (bytes <= 0)
    return bytes == 0;
  switch (attribute->kind) {
  case KIND_ADDRESS:
    return canonical_address(out, attribute->size) != 0;
  case KIND_PORT:
    return is_port(out);
  case KIND_TEXT:
    break;
  }
  return 1;
}

/* One NAME=value of n bytes into *client. */
static int
read_attribute(char const *text, size_t n, struct client *client)
{
  char const *equals = memchr(text, '=', n);
  if (!equals || equals == text)
    return 0;
  size_t name = (size_t)(equals + 1 - text);
  for (size_t i = 0; i < ATTRIBUTES; i++) {
    struct attribute const *attribute = &attributes[i];
    if (name == attribute->length && !strncasecmp(text, attribute->name, name))
      return read_value(attribute, text + name, n - name,
                        (char *)client + attribute->offset);
  }
  return 1;
}

int
client_parse(char const *text, size_t n, struct client *client)
{
  struct client found = {0};
  if (!client_update(text, n, &found))
    return 0;
  *client = found;
  return 1;
}

int
client_update(char const *text, size_t n, struct client *client)
{
  struct client found = *client;
  char const *p = text;
  char const *end = text + n;
  for (;;) {
    while (p < end && ascii_is_blank(*p))
      p++;
    if (p == end)
      break;
    char const *start = p;
    while (p < end && !ascii_is_blank(*p))
      p++;
    if (!read_attribute(start, (size_t)(p - start), &found))
      return 0;
  }
  *client = found;
  return 1;
}

static char *
put_string(char *out, char const *string)
{
  size_t n = strlen(string);
  memcpy(out, string, n);
  return out + n;
}

static char *
put_value(char *out, struct attribute const *attribute, char const *value)
{
  char text[CLIENT_VALUE_MAX + 1];
  size_t n = strnlen(value, attribute->size - 1);
  memcpy(text, value, n);
  text[n] = '\0';
  int family = AF_UNSPEC;
  if (attribute->kind == KIND_ADDRESS &&
      !(family = canonical_address(text, attribute->size)))
    n = 0;
  if (attribute->kind == KIND_PORT && !is_port(text))
    n = 0;
  if (n == 0)
    return put_string(out, "[UNAVAILABLE]");
  if (family == AF_INET6)
    out = put_string(out, "IPV6:");
  for (char *p = text; *p; p++)
    if (ascii_is_control(*p))
      *p = '?';
  char const *rest = text;
  if (says_unknown(text, n)) {
    out = put_string(out, "+5B");
    rest++;
  }
  n = strlen(rest);
  return out + xtext_encode(rest, n, out, 3 * n + 1);
}

size_t
client_format(struct client const *client, char *out)
{
  char *p = put_string(out, "XCLIENT");
  for (size_t i = 0; i < ATTRIBUTES; i++) {
    *p++ = ' ';
    p = put_string(p, attributes[i].name);
    p = put_value(p, &attributes[i],
                  (char const *)client + attributes[i].offset);
  }
  *p++ = '\n';
  return (size_t)(p - out);
}
