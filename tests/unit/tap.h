/* Test Anything Protocol for unit tests; tests/unit/tap.c. */
#ifndef TRAPLINE_TESTS_UNIT_TAP_H
#define TRAPLINE_TESTS_UNIT_TAP_H

#include <stddef.h>

/* Each prints one test line, with a diagnosis when it fails, and returns
 * whether it passed. */
int tap_ok(int passed, char const *name, ...)
    __attribute__((format(printf, 2, 3)));
int tap_is_number(long long got, long long wanted, char const *name);
int tap_is_string(char const *got, char const *wanted, char const *name);
int tap_is_bytes(void const *got, size_t got_bytes, void const *wanted,
                 size_t wanted_bytes, char const *name);

/* Prints the plan; returns main's result: 0 if every test passed, else 1. */
int tap_done(void);

#endif
