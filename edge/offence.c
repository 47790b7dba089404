#include "edge/offence.h"

#include <string.h>

#define LABEL_BYTES 26 /* "@", 24 digits, a blank */
#define HARD_MAX 1000000

static char const event[] = "trap-smtpd: end ";

struct text {
  char const *bytes;
  size_t n;
};

/* Take " key=value" off the front; a value in quotes has none within. false:
 * there is none. */
static bool
take_field(struct text *line, struct text *key, struct text *value)
{
  char const *end = line->bytes + line->n;
  char const *equals = memchr(line->bytes, '=', line->n);
  if (!equals)
    return false;
  char const *from = equals + 1, *to;
  char const *next;
  if (from < end && *from == '"') {
    from++;
    to = memchr(from, '"', (size_t)(end - from));
    if (!to)
      return false;
    next = to + 1;
  } else {
    to = memchr(from, ' ', (size_t)(end - from));
    next = to = to ? to : end;
  }
  *key = (struct text){line->bytes, (size_t)(equals - line->bytes)};
  *value = (struct text){from, (size_t)(to - from)};
  if (next < end && *next++ != ' ')
    return false;
  *line = (struct text){next, (size_t)(end - next)};
  return true;
}

static bool
is(struct text const *text, char const *word)
{
  return text->n == strlen(word) && !memcmp(text->bytes, word, text->n);
}

static bool
scan_number(struct text const *text, uint32_t *number)
{
  *number = 0;
  for (size_t i = 0; i < text->n; i++) {
    if (text->bytes[i] < '0' || text->bytes[i] > '9')
      return false;
    *number = *number * 10 + (uint32_t)(text->bytes[i] - '0');
    if (*number > HARD_MAX)
      *number = HARD_MAX;
  }
  return text->n > 0;
}

bool
offence_parse(struct offence *offence, char const *line, size_t n)
{
  struct text rest = {line, n}, key, value;
  bool has_ip = false;
  if (n > LABEL_BYTES && line[0] == '@' && line[LABEL_BYTES - 1] == ' ')
    rest = (struct text){line + LABEL_BYTES, n - LABEL_BYTES};
  if (rest.n < sizeof event - 1 ||
      memcmp(rest.bytes, event, sizeof event - 1) != 0)
    return false;
  rest.bytes += sizeof event - 1;
  rest.n -= sizeof event - 1;
  while (take_field(&rest, &key, &value)) {
    if (is(&key, "ip") && value.n < sizeof offence->ip) {
      memcpy(offence->ip, value.bytes, value.n);
      offence->ip[value.n] = 0;
      has_ip = !memchr(offence->ip, 0, value.n);
    }
    if (is(&key, "hard"))
      return scan_number(&value, &offence->hard) && has_ip && offence->hard > 0;
  }
  return false;
}
