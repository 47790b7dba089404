#include "lib/jobcontrol.h"

#include <errno.h>
#include <string.h>

#include <skalibs/types.h>

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

/* The lines of the job itself. 1 or 0. */
static int
add_job(struct jobcontrol const *control, char *out, size_t size, size_t *used)
{
  char bytes[UINT64_FMT], seconds[UINT64_FMT + 1], microseconds[UINT_FMT];
  struct metadata const lines[] = {
      {"QDFN", control->data_path, strlen(control->data_path)},
      {"QDSB", bytes, uint64_fmt(bytes, control->data_bytes)},
      {"QSTT", seconds, int64_fmt(seconds, control->seconds)},
      {"QSTM", microseconds, uint_fmt(microseconds, control->microseconds)},
      {"QSHN", control->host, strlen(control->host)},
  };
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    if (!add_line(&lines[i], out, size, used))
      return 0;
  return 1;
}

size_t
jobcontrol_format(struct jobcontrol const *control,
                  struct metadata const *metadata, size_t count, char *out,
                  size_t size)
{
  size_t used = 0;
  if (!is_allowed(control, metadata, count)) {
    errno = EINVAL;
    return 0;
  }
  int fits = add_job(control, out, size, &used);
  for (size_t i = 0; fits && i < count; i++)
    fits = add_line(&metadata[i], out, size, &used);
  if (!fits)
    errno = E2BIG;
  return fits ? used : 0;
}
