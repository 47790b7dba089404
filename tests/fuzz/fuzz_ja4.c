/* sources: edge/ja4.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "edge/ja4.h"

/* Whatever is taken has the form of a fingerprint, and what stands behind a
 * message does not change it. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static uint8_t longer[65536];
  char out[JA4_BYTES], again[JA4_BYTES];
  memset(out, 1, sizeof out);
  if (!ja4_fingerprint(data, n, out))
    return 0;
  FUZZ_HOLDS(strlen(out) == JA4_BYTES - 1);
  FUZZ_HOLDS(out[0] == 't' && out[10] == '_' && out[23] == '_');
  FUZZ_HOLDS(strspn(out + 11, "0123456789abcdef") == 12);
  FUZZ_HOLDS(strspn(out + 24, "0123456789abcdef") == 12);
  if (n < sizeof longer - 2) {
    memcpy(longer, data, n);
    FUZZ_HOLDS(ja4_fingerprint(longer, n + 2, again));
    FUZZ_HOLDS(!strcmp(out, again));
  }
  return 0;
}
