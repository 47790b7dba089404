/* sources: deliver/smtpbody.c deliver/mailhead.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "deliver/mailhead.h"
#include "deliver/smtpbody.h"

#define MOST 4096

static size_t
convert(uint8_t const *data, size_t n, size_t piece, char *out)
{
  struct smtpbody body = {0};
  size_t used = 0;
  for (size_t from = 0; from < n; from += piece)
    used += smtpbody_piece(&body, (char const *)data + from,
                           n - from < piece ? n - from : piece, out + used);
  return used + smtpbody_end(&body, out + used);
}

/* Every CR and LF is of a CRLF, and the line with one dot is the last. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static char whole[SMTPBODY_ROOM(MOST) + SMTPBODY_END_MAX];
  static char parts[SMTPBODY_ROOM(MOST) + SMTPBODY_END_MAX];
  struct address address;
  size_t behind;
  if (n > MOST)
    return 0;
  size_t used = convert(data, n, MOST, whole);
  FUZZ_HOLDS(convert(data, n, n % 7 + 1, parts) == used &&
             !memcmp(whole, parts, used));
  size_t line = 0;
  for (size_t i = 0; i < used; i++) {
    FUZZ_HOLDS(whole[i] != '\n' || (i && whole[i - 1] == '\r'));
    FUZZ_HOLDS(whole[i] != '\r' || (i + 1 < used && whole[i + 1] == '\n'));
    if (whole[i] != '\n')
      continue;
    FUZZ_HOLDS((i - line == 2 && whole[line] == '.') == (i + 1 == used));
    line = i + 1;
  }
  if (mailhead_address((char const *)data, n, "To", &address, &behind))
    FUZZ_HOLDS(address.length <= ADDRESS_MAX &&
               strlen(address.text) == address.length);
  return 0;
}
