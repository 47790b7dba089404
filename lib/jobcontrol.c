#include "lib/jobcontrol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
jobcontrol_is_key(char const *key)
{
  size_t n = strlen(key);
  return n && !(n == 4 && key[0] == 'Q') && !strpbrk(key, ":\n");
}

int
jobcontrol_is_value(char const *value, size_t n)
{
  return !n || (!memchr(value, '\n', n) && !memchr(value, 0, n));
}

static int
is_allowed(struct jobcontrol const *control, struct metadata const *metadata,
           size_t count)
{
  if (control->data_path[0] != '/' || strchr(control->data_path, '\n') ||
      !control->host[0] || strchr(control->host, '\n'))
    return 0;
  for (size_t i = 0; i < count; i++) {
    if (!jobcontrol_is_key(metadata[i].key) ||
        !jobcontrol_is_value(metadata[i].value, metadata[i].value_bytes))
      return 0;
    for (size_t j = 0; j < i; j++)
      if (!strcmp(metadata[i].key, metadata[j].key))
        return 0;
  }
  return 1;
}

/* Add "key: value" and LF at *used. 1, or 0 if there is no room. */
static int
add_line(struct metadata const *line, char *out, size_t size, size_t *used)
{
  size_t key_bytes = strlen(line->key);
  size_t room = size - *used;
  if (key_bytes + 3 > room || line->value_bytes > room - key_bytes - 3)
    return 0;
  char *p = out + *used;
  memcpy(p, line->key, key_bytes);
  p += key_bytes;
  *p++ = ':';
  *p++ = ' ';
  if (line->value_bytes)
    memcpy(p, line->value, line->value_bytes);
  p += line->value_bytes;
  *p++ = '\n';
  *used = (size_t)(p - out);
  return 1;
}

size_t
jobcontrol_format(struct jobcontrol const *control,
                  struct metadata const *metadata, size_t count, char *out,
                  size_t size)
{
  size_t used;
  if (!is_allowed(control, metadata, count)) {
    errno = EINVAL;
    return 0;
  }
  int n = snprintf(
      out, size, "QDFN: %s\nQDSB: %llu\nQSTT: %lld\nQSTM: %u\nQSHN: %s\n",
      control->data_path, (unsigned long long)control->data_bytes,
      (long long)control->seconds, control->microseconds, control->host);
  if (n < 0 || (size_t)n >= size) {
    errno = E2BIG;
    return 0;
  }
  used = (size_t)n;
  for (size_t i = 0; i < count; i++)
    if (!add_line(&metadata[i], out, size, &used)) {
      errno = E2BIG;
      return 0;
    }
  return used;
}
