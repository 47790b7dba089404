#include "smtpd/authtext.h"

#include "lib/ascii.h"
#include "lib/transfer.h"

#define DECODED_BYTES TRANSFER_ROOM(AUTHTEXT_CODED_MAX + 5)

static size_t
decode(char const *text, size_t n, char *out)
{
  struct transfer transfer = {.encoding = TRANSFER_BASE64};
  if (n > AUTHTEXT_CODED_MAX)
    n = AUTHTEXT_CODED_MAX;
  size_t used = transfer_decode(&transfer, text, n, out);
  return used + transfer_end(&transfer, out + used);
}

/* Up to a NUL. Returns what is behind it. */
static char const *
take_field(char const *from, char const *end, char *out)
{
  size_t used = 0;
  for (; from < end && *from; from++)
    if (used < AUTHTEXT_MAX)
      out[used++] = (char)(ascii_is_control(*from) ? '?' : *from);
  out[used] = 0;
  return from < end ? from + 1 : end;
}

void
authtext_word(char const *text, size_t n, char *out)
{
  char bytes[DECODED_BYTES] = "";
  take_field(bytes, bytes + decode(text, n, bytes), out);
}

void
authtext_plain(char const *text, size_t n, char *user, char *secret)
{
  char bytes[DECODED_BYTES] = "", as[AUTHTEXT_MAX + 1];
  char const *end = bytes + decode(text, n, bytes);
  char const *from = take_field(bytes, end, as);
  from = take_field(from, end, user);
  take_field(from, end, secret);
}
