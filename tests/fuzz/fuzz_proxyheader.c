/* sources: edge/proxyheader.c */
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <string.h>

#include "edge/proxyheader.h"

static void
check_address(char const *text)
{
  unsigned char address[16];
  FUZZ_HOLDS(strlen(text) < INET6_ADDRSTRLEN);
  FUZZ_HOLDS(inet_pton(AF_INET, text, address) == 1 ||
             inet_pton(AF_INET6, text, address) == 1);
}

/* As a program reads: what is wanted, in a buffer of just that size. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  struct proxyheader header;
  unsigned char *seen = NULL;
  size_t used = 0;
  int wants = proxyheader_wants((unsigned char const *)"", 0);
  while (wants > 0 && used + (size_t)wants <= n) {
    free(seen);
    used += (size_t)wants;
    seen = malloc(used);
    if (!seen)
      abort();
    memcpy(seen, data, used);
    wants = proxyheader_wants(seen, used);
    FUZZ_HOLDS(used + (size_t)(wants > 0 ? wants : 0) <= PROXYHEADER_MAX);
  }
  if (wants == 0 && proxyheader_parse(&header, seen, used)) {
    FUZZ_HOLDS(seen[0] == '\r' || (used <= 107 && seen[used - 1] == '\n'));
    if (header.known) {
      check_address(header.remote_ip);
      check_address(header.local_ip);
    }
  }
  if (n && n < 200)
    proxyheader_wants(data, n);
  free(seen);
  return 0;
}
