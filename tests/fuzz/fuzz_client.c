#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/ascii.h"
#include "lib/client.h"

static void
check_value(char const *value, size_t size)
{
  size_t n = strnlen(value, size);
  FUZZ_HOLDS(n < size);
  for (size_t i = 0; i < n; i++)
    FUZZ_HOLDS(!ascii_is_control(value[i]));
}

static void
check_values(struct client const *client)
{
  check_value(client->addr, sizeof client->addr);
  check_value(client->name, sizeof client->name);
  check_value(client->port, sizeof client->port);
  check_value(client->helo, sizeof client->helo);
  check_value(client->proto, sizeof client->proto);
  check_value(client->login, sizeof client->login);
  check_value(client->destaddr, sizeof client->destaddr);
  check_value(client->destport, sizeof client->destport);
}

static int
is_same(struct client const *a, struct client const *b)
{
  return !strcmp(a->addr, b->addr) && !strcmp(a->name, b->name) &&
         !strcmp(a->port, b->port) && !strcmp(a->helo, b->helo) &&
         !strcmp(a->proto, b->proto) && !strcmp(a->login, b->login) &&
         !strcmp(a->destaddr, b->destaddr) && !strcmp(a->destport, b->destport);
}

/* What client_format() writes is one printable line that client_parse() takes
 * into *read. */
static void
check_format(struct client const *client, struct client *read)
{
  char *out = malloc(CLIENT_LINE_MAX);
  if (!out)
    abort();
  size_t n = client_format(client, out);
  FUZZ_HOLDS(n <= CLIENT_LINE_MAX && !memcmp(out, "XCLIENT ", 8));
  FUZZ_HOLDS(out[n - 1] == '\n');
  for (size_t i = 0; i < n - 1; i++)
    FUZZ_HOLDS(out[i] >= ' ' && out[i] < 0x7f);
  FUZZ_HOLDS(client_parse(out + 8, n - 9, read));
  free(out);
}

/* A struct of any bytes whose values end. */
static void
check_any_struct(uint8_t const *data, size_t n)
{
  struct client client = {0};
  struct client read;
  struct client again;
  memcpy(&client, data, n < sizeof client ? n : sizeof client);
  client.addr[sizeof client.addr - 1] = '\0';
  client.name[sizeof client.name - 1] = '\0';
  client.port[sizeof client.port - 1] = '\0';
  client.helo[sizeof client.helo - 1] = '\0';
  client.proto[sizeof client.proto - 1] = '\0';
  client.login[sizeof client.login - 1] = '\0';
  client.destaddr[sizeof client.destaddr - 1] = '\0';
  client.destport[sizeof client.destport - 1] = '\0';
  check_format(&client, &read);
  check_format(&read, &again);
  FUZZ_HOLDS(is_same(&read, &again));
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  struct client client;
  struct client before;
  struct client read;
  memset(&client, 'x', sizeof client);
  memset(&before, 'x', sizeof before);
  if (client_parse((char const *)data, n, &client)) {
    check_values(&client);
    check_format(&client, &read);
    FUZZ_HOLDS(is_same(&client, &read));
  } else {
    FUZZ_HOLDS(!memcmp(&client, &before, sizeof client));
  }
  check_any_struct(data, n);
  return 0;
}
