#include "deliver/mboxquote.h"

#include <string.h>

static char const separator[] = "From ";
#define SEPARATOR_BYTES (sizeof separator - 1)

/* What was held back is no separator, or not yet quoted. */
static char *
release(struct mboxquote *quote, char *to)
{
  memcpy(to, separator, quote->matched);
  to += quote->matched;
  quote->matched = 0;
  quote->in_line = true;
  return to;
}

static char *
put(struct mboxquote *quote, char byte, char *to)
{
  /* A ">" more in front of them is a ">" more behind them. */
  if (!quote->in_line && byte == separator[quote->matched]) {
    quote->has_line = true;
    if (++quote->matched < SEPARATOR_BYTES)
      return to;
    *to++ = '>';
    return release(quote, to);
  }
  if (!quote->in_line && (byte != '>' || quote->matched))
    to = release(quote, to);
  *to++ = byte;
  quote->has_line = byte != '\n';
  if (byte == '\n')
    quote->in_line = false;
  return to;
}

size_t
mboxquote_piece(struct mboxquote *quote, char const *bytes, size_t n, char *out)
{
  char *to = out;
  for (size_t i = 0; i < n; i++)
    to = put(quote, bytes[i], to);
  return (size_t)(to - out);
}

size_t
mboxquote_end(struct mboxquote *quote, char *out)
{
  char *to = release(quote, out);
  if (quote->has_line)
    *to++ = '\n';
  *to++ = '\n';
  return (size_t)(to - out);
}
