#include "smtpd/ucspi.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/connection.h"

static char const *
lookup(char const *name)
{
  char const *value = connection_variable(name);
  return value ? value : "";
}

static void
copy(char const *name, char *out, size_t size)
{
  char const *value = lookup(name);
  size_t n = 0;
  for (; value[n] && n + 1 < size; n++) {
    unsigned char c = (unsigned char)value[n];
    out[n] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
  }
  out[n] = 0;
}

/* In the form of inet_ntop; what is no address is not known. */
static void
copy_address(char const *name, char *out, size_t size)
{
  static unsigned char const mapped[12] = {0, 0, 0, 0, 0,    0,
                                           0, 0, 0, 0, 0xff, 0xff};
  unsigned char bytes[16];
  char const *value = lookup(name);
  char const *text = NULL;
  if (inet_pton(AF_INET, value, bytes) == 1)
    text = inet_ntop(AF_INET, bytes, out, (socklen_t)size);
  else if (inet_pton(AF_INET6, value, bytes) == 1)
    text = memcmp(bytes, mapped, sizeof mapped)
               ? inet_ntop(AF_INET6, bytes, out, (socklen_t)size)
               : inet_ntop(AF_INET, bytes + 12, out, (socklen_t)size);
  if (!text)
    out[0] = 0;
}

void
ucspi_client(struct client *client)
{
  copy_address("REMOTEIP", client->addr, sizeof client->addr);
  copy("REMOTEHOST", client->name, sizeof client->name);
  copy("REMOTEPORT", client->port, sizeof client->port);
  copy("REMOTEINFO", client->login, sizeof client->login);
  copy_address("LOCALIP", client->destaddr, sizeof client->destaddr);
  copy("LOCALPORT", client->destport, sizeof client->destport);
}
