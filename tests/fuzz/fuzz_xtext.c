#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/xtext.h"

static void
check_encode(char const *in, size_t n)
{
  char *out = malloc(3 * n + 1);
  char *back = malloc(n + 1);
  if (out && back) {
    int encoded = xtext_encode(in, n, out, 3 * n + 1);
    FUZZ_HOLDS(encoded >= 0 && (size_t)encoded <= 3 * n && !out[encoded]);
    for (int i = 0; i < encoded; i++)
      FUZZ_HOLDS(out[i] > ' ' && out[i] < 0x7f && out[i] != '=');
    FUZZ_HOLDS(xtext_encode(in, n, out, (size_t)encoded) == -1);
    FUZZ_HOLDS(xtext_encode(in, n, out, (size_t)encoded + 1) == encoded);
    int decoded = xtext_decode(out, (size_t)encoded, back, n + 1);
    if (memchr(in, '\0', n))
      FUZZ_HOLDS(decoded == -1);
    else
      FUZZ_HOLDS((size_t)decoded == n && !memcmp(back, in, n) && !back[n]);
  }
  free(out);
  free(back);
}

static void
check_decode(char const *in, size_t n)
{
  char *out = malloc(n + 1);
  char *again = malloc(n + 1);
  int decoded = out && again ? xtext_decode(in, n, out, n + 1) : -1;
  if (decoded >= 0) {
    FUZZ_HOLDS((size_t)decoded <= n && strlen(out) == (size_t)decoded);
    FUZZ_HOLDS(xtext_decode(in, n, again, (size_t)decoded) == -1);
    FUZZ_HOLDS(xtext_decode(in, n, again, (size_t)decoded + 1) == decoded);
    FUZZ_HOLDS(!memcmp(again, out, (size_t)decoded + 1));
  }
  free(out);
  free(again);
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  check_encode((char const *)data, n);
  check_decode((char const *)data, n);
  return 0;
}
