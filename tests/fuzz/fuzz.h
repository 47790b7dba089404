/* What every fuzzer shares. tests/fuzz/run builds and runs them. */
#ifndef TRAPLINE_TESTS_FUZZ_FUZZ_H
#define TRAPLINE_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(uint8_t const *data, size_t n);

/* A property that must hold whatever the input; the fuzzer stops where it does
 * not. */
#define FUZZ_HOLDS(property)                                                   \
  do {                                                                         \
    if (!(property)) {                                                         \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,        \
              #property);                                                      \
      abort();                                                                 \
    }                                                                          \
  } while (0)

#endif
