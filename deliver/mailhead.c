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

/* The end of the line at p of a header; NULL: the header is over. */
static char const *
line_end_of(char const *p, char const *end)
{
  char const *line_end = memchr(p, '\n', (size_t)(end - p));
  return !line_end || line_end == p || (*p == '\r' && line_end == p + 1)
             ? NULL
             : line_end;
}

int
mailhead_next(char const *message, size_t n, char const *name,
              struct address *address, size_t *behind)
{
  char const *p = message + *behind, *end = message + n;
  char const *line_end = line_end_of(p, end);
  char const *body = line_end ? body_of(p, line_end, name) : NULL;
  if (!body)
    return 0;
  p = line_end + 1;
  *behind = (size_t)(p - message);
  return (p == end || (*p != ' ' && *p != '\t')) &&
         read_body(body, line_end, address);
}

int
mailhead_address(char const *message, size_t n, char const *name,
                 struct address *address, size_t *behind)
{
  char const *end = message + n, *line_end;
  for (char const *p = message; (line_end = line_end_of(p, end));
       p = line_end + 1)
    if (body_of(p, line_end, name)) {
      *behind = (size_t)(p - message);
      return mailhead_next(message, n, name, address, behind);
    }
  return 0;
}
