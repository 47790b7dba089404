#include "deliver/envelopehead.h"

#include <stdio.h>

#define LINE_MAX_BYTES (ADDRESS_MAX + 32)

void
envelopehead_add(struct envelope const *envelope, struct stage *stage,
                 bool add(struct stage *stage, char const *line, size_t n))
{
  struct envelope_cursor cursor = {0};
  struct envelope_recipient recipient;
  char line[LINE_MAX_BYTES];
  while (envelope_next(envelope, &cursor, &recipient)) {
    int n = snprintf(line, sizeof line, "X-Original-To: %.*s\n",
                     (int)recipient.address_bytes, recipient.address);
    if (!add(stage, line, (size_t)n))
      return;
  }
  int n = snprintf(line, sizeof line, "Return-Path: <%.*s>\n",
                   (int)envelope->sender_bytes, envelope->sender);
  add(stage, line, (size_t)n);
}
