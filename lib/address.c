#include "lib/address.h"

#include <string.h>
#include <strings.h>

#include "lib/addressdomain.h"
#include "lib/ascii.h"

#define LOCAL_STRICT_MAX 64   /* RFC 5321 section 4.5.3.1.1 */
#define DOMAIN_STRICT_MAX 255 /* section 4.5.3.1.2 */

static char const *
skip_blanks(char const *p, char const *end)
{
  while (p < end && ascii_is_blank(*p))
    p++;
  return p;
}

/* The parsers below read at p and return where what they read ends, or NULL. */

static char const *
domain_end(char const *p, char const *end, enum address_mode mode)
{
  if (p < end && *p == '[')
    return addressdomain_literal(p, end, mode);
  return addressdomain_name(p, end, mode);
}

static char const *
route_end(char const *p, char const *end, enum address_mode mode)
{
  for (;;) {
    if (p == end || *p++ != '@')
      return NULL;
    p = mode == ADDRESS_STRICT ? addressdomain_name(p, end, mode)
                               : domain_end(p, end, mode);
    if (!p || p == end)
      return NULL;
    if (*p == ':')
      return p + 1;
    if (*p++ != ',')
      return NULL;
  }
}

static char const *
atom_end(char const *p, char const *end)
{
  char const *start = p;
  while (p < end) {
    char const *next = addressdomain_utf8(p, end);
    if (next)
      p = next;
    else if (ascii_is_alnum(*p) || (*p && strchr("!#$%&'*+-/=?^_`{|}~", *p)))
      p++;
    else
      break;
  }
  return p > start ? p : NULL;
}

static char const *
quoted_end(char const *p, char const *end)
{
  for (p++; p < end && *p != '"'; p++) {
    if (*p == '\\') {
      if (++p == end || ascii_is_8bit(*p))
        return NULL;
    } else if (ascii_is_8bit(*p)) {
      char const *next = addressdomain_utf8(p, end);
      if (!next)
        return NULL;
      p = next - 1;
    }
    if (ascii_is_control(*p))
      return NULL;
  }
  return p < end ? p + 1 : NULL;
}

static char const *
strict_mailbox_end(char const *p, char const *end)
{
  char const *start = p;
  if (p < end && *p == '"') {
    p = quoted_end(p, end);
  } else {
    p = atom_end(p, end);
    while (p && p < end && *p == '.')
      p = atom_end(p + 1, end);
  }
  if (!p || p - start > LOCAL_STRICT_MAX)
    return NULL;
  if (p == end || *p != '@')
    return p - start == 10 && !strncasecmp(start, "postmaster", 10) ? p : NULL;
  char const *domain = p + 1;
  p = domain_end(domain, end, ADDRESS_STRICT);
  return p && p - domain <= DOMAIN_STRICT_MAX ? p : NULL;
}

/*
 * Takes every mailbox that the strict grammar takes, so it serves
 * address_mailbox() too. *at: the @ before the domain, NULL if there is none.
 * A literal is always the end: nothing else may hold a [.
 */
static char const *
lax_mailbox_end(char const *p, char const *end, char const **at)
{
  char const *start = p;
  int quoted = 0;
  *at = NULL;
  for (; p < end; p++) {
    if (!quoted && (ascii_is_blank(*p) || *p == '>'))
      break;
    if (ascii_is_control(*p))
      return NULL;
    if (*p == '\\') {
      if (++p == end || ascii_is_control(*p))
        return NULL;
    } else if (*p == '"') {
      quoted = !quoted;
    } else if (quoted) {
      continue;
    } else if (*p == '@') {
      if (p == start)
        return NULL;
      *at = p;
      if (p + 1 < end && p[1] == '[')
        return addressdomain_literal(p + 1, end, ADDRESS_LAX);
    } else if (*p == '<' || *p == '[' || *p == ']') {
      return NULL;
    }
  }
  if (quoted || p == start)
    return NULL;
  return !*at || addressdomain_name(*at + 1, p, ADDRESS_LAX) == p ? p : NULL;
}

static char const *
mailbox_end(char const *p, char const *end, enum address_mode mode)
{
  char const *at;
  return mode == ADDRESS_STRICT ? strict_mailbox_end(p, end)
                                : lax_mailbox_end(p, end, &at);
}

/* Behind the brackets that open a path; a second one is somebody's mistake. */
static char const *
opened(char const *p, char const *end, enum address_mode mode, size_t *brackets)
{
  size_t most = mode == ADDRESS_STRICT ? 1 : 2;
  *brackets = 0;
  if (mode == ADDRESS_LAX)
    p = skip_blanks(p, end);
  while (p < end && *p == '<' && *brackets < most) {
    p++;
    ++*brackets;
    if (mode == ADDRESS_LAX)
      p = skip_blanks(p, end);
  }
  return p;
}

/* Behind what closes a path, NULL if nothing does: a bracket, or two where one
 * at least has opened it, and by mistake a comma or semicolon. */
static char const *
closed(char const *p, char const *end, enum address_mode mode, size_t brackets)
{
  if (mode == ADDRESS_STRICT)
    return p < end && *p == '>' ? p + 1 : NULL;
  char const *bracket = skip_blanks(p, end);
  if (bracket == end || *bracket != '>')
    return brackets ? NULL : p;
  p = bracket + 1;
  if (brackets && p < end && *p == '>')
    p++;
  if (p < end && (*p == ',' || *p == ';'))
    p++;
  return p;
}

size_t
address_parse(char const *text, size_t n, enum address_mode mode,
              struct address *address)
{
  char const *end = text + n;
  size_t brackets;
  char const *p = opened(text, end, mode, &brackets);
  if (!brackets && mode == ADDRESS_STRICT)
    return 0;
  char const *start = p;
  if (!brackets || p == end || *p != '>') {
    if (p < end && *p == '@')
      start = p = route_end(p, end, mode);
    if (p)
      p = mailbox_end(p, end, mode);
    if (!p || p - start > ADDRESS_MAX)
      return 0;
  }
  size_t length = (size_t)(p - start);
  p = closed(p, end, mode, brackets);
  if (!p)
    return 0;
  if (p < end && !ascii_is_blank(*p))
    return 0;
  memcpy(address->text, start, length);
  address->text[length] = '\0';
  address->length = length;
  return (size_t)(p - text);
}

size_t
address_mailbox(struct address const *address, char *out, size_t *at)
{
  char const *p = address->text;
  char const *end = p + address->length;
  char const *domain;
  if (!lax_mailbox_end(p, end, &domain) || !domain)
    domain = end;
  size_t used = 0;
  for (; p < domain; p++) {
    if (*p == '"')
      continue;
    if (*p == '\\' && p + 1 < domain)
      p++;
    out[used++] = ascii_lower(*p);
  }
  *at = used;
  for (; p < end; p++)
    out[used++] = ascii_lower(*p);
  if (domain < end && end[-1] == '.')
    used--;
  out[used] = '\0';
  return used;
}
