/* sources: deliver/embedded.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "deliver/embedded.h"

/* Decode in pieces of the size that first says; as a whole it must be the
 * same. */
static void
decode(char const *text, size_t n, enum transfer_encoding encoding)
{
  struct transfer whole = {.encoding = encoding}, pieces = whole;
  size_t const step = n ? 1 + (unsigned char)text[0] % 7 : 1;
  char *one = malloc(TRANSFER_ROOM(n) + 5);
  char *two = malloc(TRANSFER_ROOM(n) + 5);
  size_t used = transfer_decode(&whole, text, n, one), other = 0;
  FUZZ_HOLDS(used <= TRANSFER_ROOM(n));
  used += transfer_end(&whole, one + used);
  for (size_t at = 0; at < n; at += step)
    other += transfer_decode(&pieces, text + at, n - at < step ? n - at : step,
                             two + other);
  other += transfer_end(&pieces, two + other);
  FUZZ_HOLDS(used == other && used <= n && !memcmp(one, two, used));
  free(one);
  free(two);
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static struct embedded found[EMBEDDED_MAX];
  char const *text = (char const *)data;
  size_t count = embedded_find(text, n, found), end = 0;
  FUZZ_HOLDS(count <= EMBEDDED_MAX);
  for (size_t i = 0; i < count; i++) {
    FUZZ_HOLDS(found[i].begin >= end && found[i].begin < found[i].end &&
               found[i].end <= n);
    end = found[i].end;
    decode(text + found[i].begin, end - found[i].begin, found[i].encoding);
  }
  decode(text, n, TRANSFER_BASE64);
  decode(text, n, TRANSFER_QUOTED_PRINTABLE);
  return 0;
}
