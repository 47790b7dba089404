#include "smtpd/replytext.h"

#include <string.h>

#include "smtpd/evidence.h"

void
replytext_add(struct replytext *reply, char const *bytes, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    char escaped[4];
    size_t length = evidence_escape(bytes + i, 1, escaped);
    if (reply->start_bytes < sizeof reply->start)
      reply->start[reply->start_bytes++] = bytes[i];
    /* room for the LF, too */
    if (reply->used + length >= sizeof reply->text)
      reply->too_long = true;
    if (reply->too_long)
      return;
    memcpy(reply->text + reply->used, escaped, length);
    reply->used += length;
  }
}

void
replytext_end_line(struct replytext *reply)
{
  bool goes_on = reply->start_bytes == 4 && reply->start[3] == '-';
  if (!reply->too_long)
    reply->text[reply->used++] = '\n';
  reply->lines++;
  if (goes_on && (reply->lines == REPLYTEXT_LINES_MAX ||
                  reply->used == sizeof reply->text))
    reply->too_long = true;
  reply->whole = !goes_on || reply->too_long;
  if (!reply->whole)
    reply->start_bytes = 0;
}

/* The three characters of the code, of the last line. */
static bool
has_code(struct replytext const *a, struct replytext const *b)
{
  size_t n = a->start_bytes < 3 ? a->start_bytes : 3;
  return (b->start_bytes < 3 ? b->start_bytes : 3) == n &&
         !memcmp(a->start, b->start, n);
}

bool
replytext_same(struct replytext const *a, struct replytext const *b, bool exact)
{
  if (a->lines != b->lines || a->too_long != b->too_long)
    return false;
  if (exact)
    return a->used == b->used && !memcmp(a->text, b->text, a->used);
  return has_code(a, b);
}

void
replytext_clear(struct replytext *reply)
{
  reply->lines = 0;
  reply->whole = reply->too_long = false;
  reply->start_bytes = reply->used = 0;
}
