#include "deliver/mailhead.h"

#include <string.h>
#include <strings.h>

/* The body of a field of this name, from p on; NULL if it has another one. */
static char const *
body_of(char const *p, char const *end, char const *name)
{
  size_t n = strlen(name);
  if ((size_t)(end - p) < n || strncasecmp(p, name, n) != 0)
    return NULL;
  for (p += n; p < end && (*p == ' ' || *p == '\t'); p++)
    continue;
  return p < end && *p == ':' ? p + 1 : NULL;
}

static int
read_body(char const *p, char const *end, struct address *address)
{
  while (p < end && (*p == ' ' || *p == '\t'))
    p++;
  while (p < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
    end--;
  size_t n = (size_t)(end - p);
  return n && address_parse(p, n, ADDRESS_LAX, address) == n;
}

int
mailhead_address(char const *message, size_t n, char const *name,
                 struct address *address)
{
  char const *end = message + n;
  for (char const *p = message; p < end;) {
    char const *line_end = memchr(p, '\n', (size_t)(end - p));
    if (!line_end || line_end == p || (*p == '\r' && line_end == p + 1))
      return 0;
    char const *body = body_of(p, line_end, name);
    p = line_end + 1;
    if (body)
      return (p == end || (*p != ' ' && *p != '\t')) &&
             read_body(body, line_end, address);
  }
  return 0;
}
