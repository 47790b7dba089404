#include "lib/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

#include "lib/fnv.h"

static void
cut(struct network *network, unsigned int bits)
{
  unsigned int whole = bits / 8, n = network->is_v6 ? 16 : 4;
  network->bits = (uint8_t)bits;
  if (whole < n && bits % 8)
    network->address[whole++] &= (unsigned char)(0xff00U >> bits % 8);
  memset(network->address + whole, 0, sizeof network->address - whole);
}

bool
network_of(struct network *network, char const *text, unsigned int v4,
           unsigned int v6)
{
  static unsigned char const mapped[12] = {0, 0, 0, 0, 0,    0,
                                           0, 0, 0, 0, 0xff, 0xff};
  unsigned char *address = network->address;
  memset(network, 0, sizeof *network);
  if (inet_pton(AF_INET6, text, address) == 1) {
    network->is_v6 = memcmp(address, mapped, sizeof mapped) != 0;
    if (!network->is_v6)
      memmove(address, address + sizeof mapped, 4);
  } else if (inet_pton(AF_INET, text, address) != 1)
    return false;
  cut(network, network->is_v6 ? v6 : v4);
  return true;
}

bool
network_scan(struct network *network, char const *text)
{
  char address[NETWORK_TEXT_MAX];
  char const *slash = strchrnul(text, '/');
  size_t n = (size_t)(slash - text);
  unsigned int bits = 128;
  if (n >= sizeof address)
    return false;
  memcpy(address, text, n);
  address[n] = 0;
  if (!network_of(network, address, 32, 128))
    return false;
  if (!*slash)
    return true;
  return uint0_scan(slash + 1, &bits) && bits <= network->bits &&
         network_of(network, address, bits, bits);
}

bool
network_has(struct network const *network, char const *text)
{
  struct network its = {0};
  unsigned int v4 = network->bits > 32 ? 32 : network->bits;
  return network_of(&its, text, v4, network->bits) &&
         network_equals(network, &its);
}

void
network_text(struct network const *network, char *out)
{
  inet_ntop(network->is_v6 ? AF_INET6 : AF_INET, network->address, out,
            INET6_ADDRSTRLEN);
  sprintf(out + strlen(out), "/%u", (unsigned int)network->bits);
}

bool
network_equals(struct network const *one, struct network const *other)
{
  return one->is_v6 == other->is_v6 && one->bits == other->bits &&
         !memcmp(one->address, other->address, sizeof one->address);
}

/* With a last mix of the bits (that of MurmurHash 3). */
uint64_t
network_hash(struct network const *network)
{
  uint64_t hash = FNV_BASIS;
  for (size_t i = 0; i < sizeof network->address; i++)
    hash = fnv_add(hash, network->address[i]);
  hash = fnv_add(hash, network->bits);
  hash = fnv_add(hash, network->is_v6 ? 6 : 4);
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdU;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53U;
  return hash ^ hash >> 33;
}
