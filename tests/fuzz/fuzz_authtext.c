/* sources: smtpd/authtext.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/ascii.h"
#include "smtpd/authtext.h"

static void
check(char const *text)
{
  size_t n = strnlen(text, AUTHTEXT_MAX + 1);
  FUZZ_HOLDS(n <= AUTHTEXT_MAX);
  for (size_t i = 0; i < n; i++)
    FUZZ_HOLDS(!ascii_is_control(text[i]));
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  char user[AUTHTEXT_MAX + 1], secret[AUTHTEXT_MAX + 1];
  char word[AUTHTEXT_MAX + 1];
  memset(user, '\n', sizeof user);
  memset(secret, '\n', sizeof secret);
  memset(word, '\n', sizeof word);
  authtext_plain((char const *)data, n, user, secret);
  authtext_word((char const *)data, n, word);
  check(user);
  check(secret);
  check(word);
  return 0;
}
