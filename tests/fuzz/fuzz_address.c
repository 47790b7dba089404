#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/address.h"
#include "lib/ascii.h"

static void
check_bytes(char const *text, size_t n)
{
  FUZZ_HOLDS(text[n] == '\0');
  for (size_t i = 0; i < n; i++)
    FUZZ_HOLDS(!ascii_is_control(text[i]));
}

/* The address again, in brackets, must be the same address. */
static void
check_again(struct address const *address)
{
  char text[ADDRESS_MAX + 3];
  struct address again;
  size_t n = 0;
  text[n++] = '<';
  memcpy(text + n, address->text, address->length);
  n += address->length;
  text[n++] = '>';
  FUZZ_HOLDS(address_parse(text, n, ADDRESS_LAX, &again) == n);
  FUZZ_HOLDS(!strcmp(again.text, address->text));
}

/* However it is spelled, quoted and with a last dot and in capitals, it is the
 * same mailbox. */
static void
check_spelling(char const *mailbox, size_t n, size_t at)
{
  char text[2 * ADDRESS_MAX + 8];
  char out[ADDRESS_MAX + 1];
  struct address address;
  size_t used = 0;
  size_t found;
  text[used++] = '"';
  for (size_t i = 0; i < at; i++) {
    text[used++] = '\\';
    text[used++] = mailbox[i] >= 'a' && mailbox[i] <= 'z'
                       ? (char)(mailbox[i] - 'a' + 'A')
                       : mailbox[i];
  }
  text[used++] = '"';
  memcpy(text + used, mailbox + at, n - at);
  used += n - at;
  if (at < n && mailbox[n - 1] != ']')
    text[used++] = '.';
  if (used > ADDRESS_MAX)
    return;
  FUZZ_HOLDS(address_parse(text, used, ADDRESS_LAX, &address) == used);
  FUZZ_HOLDS(address_mailbox(&address, out, &found) == n);
  FUZZ_HOLDS(found == at && !memcmp(out, mailbox, n));
}

static void
check_mailbox(struct address const *address)
{
  char *out = malloc(ADDRESS_MAX + 1);
  size_t at = SIZE_MAX;
  if (!out)
    return;
  size_t n = address_mailbox(address, out, &at);
  FUZZ_HOLDS(n <= address->length && at <= n);
  FUZZ_HOLDS(at == n || out[at] == '@');
  FUZZ_HOLDS(at + 1 != n);
  check_bytes(out, n);
  for (size_t i = 0; i < n; i++)
    FUZZ_HOLDS(out[i] < 'A' || out[i] > 'Z');
  check_spelling(out, n, at);
  free(out);
}

static size_t
parse(char const *text, size_t n, enum address_mode mode,
      struct address *address)
{
  size_t taken = address_parse(text, n, mode, address);
  FUZZ_HOLDS(taken <= n);
  if (taken == 0)
    return 0;
  FUZZ_HOLDS(taken == n || ascii_is_blank(text[taken]));
  FUZZ_HOLDS(address->length <= ADDRESS_MAX);
  FUZZ_HOLDS(memmem(text, taken, address->text, address->length));
  check_bytes(address->text, address->length);
  if (address->length) {
    check_again(address);
    check_mailbox(address);
  }
  return taken;
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  char const *text = (char const *)data;
  struct address lax;
  struct address strict;
  size_t taken = parse(text, n, ADDRESS_LAX, &lax);
  if (parse(text, n, ADDRESS_STRICT, &strict)) {
    FUZZ_HOLDS(address_parse(text, n, ADDRESS_STRICT, &strict) == taken);
    FUZZ_HOLDS(!strcmp(strict.text, lax.text));
  }
  return 0;
}
