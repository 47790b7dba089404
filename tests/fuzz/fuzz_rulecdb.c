/* sources: lib/rulecdb.c */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "lib/rulecdb.h"

/* The input is a key's length, the key, and a database in which it is sought:
 * first a table that points where the input says, then the input. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  struct rulecdb database;
  uint64_t at = 0;
  uint32_t found = 0;
  if (n < 9)
    return 0;
  size_t key_bytes = data[0] % 8;
  size_t size = RULECDB_FIRST + n;
  char *image = malloc(size);
  if (!image)
    return 0;
  for (size_t i = 0; i < RULECDB_FIRST; i++)
    image[i] = (char)data[n - 8 + i % 8];
  memcpy(image + RULECDB_FIRST, data, n);
  FUZZ_HOLDS(rulecdb_open(&database, image, -1, size));
  errno = 0;
  int r =
      rulecdb_find(&database, (char const *)data + 1, key_bytes, &at, &found);
  FUZZ_HOLDS(r >= 0 || errno == EPROTO);
  FUZZ_HOLDS(r <= 0 || (at <= size && found <= size - at));
  free(image);
  return 0;
}
