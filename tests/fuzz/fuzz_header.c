/* sources: filters/header.c filters/encodedword.c filters/bouncerule.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "filters/bouncerule.h"
#include "filters/header.h"
#include "lib/ascii.h"

static struct header header;

static void
check_value(struct header_field const *field, size_t size)
{
  char value[600];
  size_t n = header_value(field, value, size);
  FUZZ_HOLDS(n < size && strlen(value) == n);
  for (size_t i = 0; i < n; i++)
    FUZZ_HOLDS(!ascii_is_control(value[i]));
  FUZZ_HOLDS(!n || value[0] != ' ');
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  struct header_field field;
  size_t at = 0;
  size_t last = 0;
  header_start(&header);
  size_t taken = header_feed(&header, (char const *)data, n);
  FUZZ_HOLDS(taken == n || header.complete);
  FUZZ_HOLDS(taken == header.used && !memcmp(header.text, data, taken));
  while (header_next(&header, &at, &field)) {
    FUZZ_HOLDS(at > last && at <= header.used && field.name_bytes);
    FUZZ_HOLDS(field.value + field.value_bytes == header.text + at);
    check_value(&field, 600);
    check_value(&field, 9);
    last = at;
  }
  bouncerule_find(&header, n % 2, BOUNCERULE_ALL);
  return 0;
}
