/* Reading an answer of the DNS. */
#include <string.h>
#include <strings.h>

#include <ares.h>

#include "lib/ascii.h"
#include "lib/dns.h"

#define HEADER 12
#define FIXED 10 /* type, class, ttl, length of a record's data */

bool
dns_is_name(char const *name, size_t n)
{
  size_t label = 0;
  for (size_t i = 0; i < n; i++) {
    if (name[i] == '.' && !label)
      return false;
    label = name[i] == '.' ? 0 : label + 1;
    if (label > 63 || !(ascii_is_alnum(name[i]) || name[i] == '-' ||
                        name[i] == '_' || name[i] == '.'))
      return false;
  }
  return n && n <= DNS_NAME_MAX && label;
}

static unsigned int
number(unsigned char const *p)
{
  return (unsigned int)p[0] << 8 | p[1];
}

/* The name at p, if it is one that we keep. Whether it is well-formed. */
static bool
take_name(struct dns_query *query, unsigned char const *p,
          unsigned char const *bytes, size_t n)
{
  char *text;
  long used;
  if (ares_expand_name(p, bytes, (int)n, &text, &used) != ARES_SUCCESS)
    return false;
  size_t length = strlen(text);
  if (query->names < DNS_NAMES_MAX && (!length || dns_is_name(text, length))) {
    char *name = query->name[query->names++];
    for (size_t i = 0; i <= length; i++)
      name[i] = ascii_lower(text[i]);
  }
  ares_free_string(text);
  return true;
}

/* The strings at p, in one, if it begins as we want it. Whether they are
 * well-formed. */
static bool
take_text(struct dns_texts *texts, unsigned char const *p, size_t n)
{
  char text[DNS_TEXT_MAX + 1];
  size_t used = 0;
  for (size_t at = 0; at < n; at += 1 + p[at]) {
    size_t part = p[at];
    if (part > n - at - 1 || part > DNS_TEXT_MAX - used)
      return false;
    for (size_t i = 0; i < part; i++)
      text[used++] = p[at + 1 + i] ? (char)p[at + 1 + i] : '?';
  }
  text[used] = 0;
  if (texts->count < DNS_TEXTS_MAX &&
      !strncasecmp(text, texts->begin, strlen(texts->begin)))
    strcpy(texts->text[texts->count++], text);
  return true;
}

/* The data of one record of the query's type. */
static bool
take(struct dns_query *query, unsigned char const *data, size_t data_bytes,
     unsigned char const *bytes, size_t n)
{
  size_t address = query->type == DNS_A ? 4 : 16;
  if (query->type == DNS_PTR)
    return data_bytes && take_name(query, data, bytes, n);
  if (query->type == DNS_TXT)
    return take_text(query->texts, data, data_bytes);
  if (query->type == DNS_MX)
    return data_bytes > 2 && take_name(query, data + 2, bytes, n);
  if (data_bytes != address)
    return false;
  if (query->addresses < DNS_ADDRESSES_MAX)
    memcpy(query->address[query->addresses++], data, address);
  return true;
}

/* The end of the name at p, or NULL. */
static unsigned char const *
skip_name(unsigned char const *p, unsigned char const *bytes, size_t n)
{
  char *text;
  long used;
  if (p >= bytes + n ||
      ares_expand_name(p, bytes, (int)n, &text, &used) != ARES_SUCCESS)
    return NULL;
  ares_free_string(text);
  return p + used;
}

/* All records. Whether they are well-formed. */
static bool
read_records(struct dns_query *query, unsigned char const *bytes, size_t n)
{
  unsigned char const *p = bytes + HEADER, *end = bytes + n;
  for (unsigned int i = number(bytes + 4); i; i--) {
    p = skip_name(p, bytes, n);
    if (!p || end - p < 4)
      return false;
    p += 4;
  }
  for (unsigned int i = number(bytes + 6); i; i--) {
    p = skip_name(p, bytes, n);
    if (!p || end - p < FIXED)
      return false;
    unsigned int type = number(p), class = number(p + 2);
    uint32_t ttl_s = (uint32_t)number(p + 4) << 16 | number(p + 6);
    size_t data_bytes = number(p + 8);
    p += FIXED;
    if ((size_t)(end - p) < data_bytes)
      return false;
    if (type == query->type && class == 1) {
      if (!take(query, p, data_bytes, bytes, n))
        return false;
      if (query->result != DNS_FOUND || ttl_s < query->ttl_s)
        query->ttl_s = ttl_s;
      query->result = DNS_FOUND;
    }
    p += data_bytes;
  }
  return true;
}

void
dns_read(struct dns_query *query, unsigned char const *bytes, size_t n)
{
  query->result = DNS_NONE;
  if (query->type == DNS_TXT)
    query->texts->count = 0;
  query->addresses = query->names = query->ttl_s = 0;
  if (n < HEADER || n > 65535 || !read_records(query, bytes, n)) {
    query->result = DNS_FAILED;
    query->addresses = query->names = 0;
    if (query->type == DNS_TXT)
      query->texts->count = 0;
  }
}
