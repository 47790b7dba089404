/* sources: edge/offence.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "edge/offence.h"

/* Whoever is named stands before anything that a client chose. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  struct offence offence;
  char *line = malloc(n + 1);
  if (!line)
    abort();
  memcpy(line, data, n);
  line[n] = 0;
  if (offence_parse(&offence, line, n)) {
    size_t ip = strnlen(offence.ip, sizeof offence.ip);
    FUZZ_HOLDS(ip < sizeof offence.ip);
    FUZZ_HOLDS(offence.hard > 0 && offence.hard <= 1000000);
    FUZZ_HOLDS(memmem(line, n, offence.ip, ip) != NULL);
    FUZZ_HOLDS(memmem(line, n, "hard=", 5) != NULL);
  }
  char *exact = realloc(line, n ? n : 1);
  if (!exact)
    abort();
  offence_parse(&offence, exact, n);
  free(exact);
  return 0;
}
