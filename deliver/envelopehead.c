#include "deliver/envelopehead.h"

#include <stdio.h>

size_t
envelopehead_line(struct envelopehead *head, struct envelope const *envelope,
                  char *out)
{
  struct envelope_recipient recipient;
  int n = 0;
  if (head->is_over)
    return 0;
  head->is_over = !envelope_next(envelope, &head->cursor, &recipient);
  if (head->is_over)
    n = snprintf(out, ENVELOPEHEAD_LINE_MAX, "Return-Path: <%.*s>\n",
                 (int)envelope->sender_bytes, envelope->sender);
  else
    n = snprintf(out, ENVELOPEHEAD_LINE_MAX, "X-Original-To: %.*s\n",
                 (int)recipient.address_bytes, recipient.address);
  return (size_t)n;
}
