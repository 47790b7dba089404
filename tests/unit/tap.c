#include "tests/unit/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tests;
static int failures;

static int
result(int passed, char const *name)
{
  tests++;
  failures += !passed;
  printf("%sok %d - %s\n", passed ? "" : "not ", tests, name);
  return passed;
}

int
tap_ok(int passed, char const *name, ...)
{
  char text[512];
  va_list arguments;
  va_start(arguments, name);
  vsnprintf(text, sizeof text, name, arguments);
  va_end(arguments);
  return result(passed, text);
}

int
tap_is_number(long long got, long long wanted, char const *name)
{
  int passed = result(got == wanted, name);
  if (!passed)
    printf("#   got: %lld\n# wanted: %lld\n", got, wanted);
  return passed;
}

static void
show(char const *label, unsigned char const *bytes, size_t n)
{
  printf("# %6s: ", label);
  for (size_t i = 0; i < n && i < 400; i++)
    if (bytes[i] < 0x20 || bytes[i] > 0x7e)
      printf("\\x%02x", bytes[i]);
    else
      putchar(bytes[i]);
  printf(" (%zu bytes)\n", n);
}

int
tap_is_bytes(void const *got, size_t got_bytes, void const *wanted,
             size_t wanted_bytes, char const *name)
{
  int passed = result(
      got_bytes == wanted_bytes && !memcmp(got, wanted, got_bytes), name);
  if (!passed) {
    show("got", got, got_bytes);
    show("wanted", wanted, wanted_bytes);
  }
  return passed;
}

int
tap_is_string(char const *got, char const *wanted, char const *name)
{
  return tap_is_bytes(got, strlen(got), wanted, strlen(wanted), name);
}

int
tap_done(void)
{
  printf("1..%d\n", tests);
  return failures != 0;
}
