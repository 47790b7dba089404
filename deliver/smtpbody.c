#include "deliver/smtpbody.h"

#include <string.h>

static char *
put(struct smtpbody *body, char byte, char *to)
{
  bool is_end = byte == '\n' || byte == '\r';
  bool is_rest = byte == '\n' && body->seen_cr;
  body->seen_cr = byte == '\r';
  if (is_rest)
    return to;
  if (is_end) {
    *to++ = '\r';
    *to++ = '\n';
    body->in_line = false;
    return to;
  }
  if (byte == '.' && !body->in_line)
    *to++ = '.';
  *to++ = byte;
  body->in_line = true;
  return to;
}

size_t
smtpbody_piece(struct smtpbody *body, char const *bytes, size_t n, char *out)
{
  char *to = out;
  for (size_t i = 0; i < n; i++)
    to = put(body, bytes[i], to);
  return (size_t)(to - out);
}

size_t
smtpbody_end(struct smtpbody *body, char *out)
{
  char const *end = body->in_line ? "\r\n.\r\n" : ".\r\n";
  memcpy(out, end, strlen(end));
  return strlen(end);
}
