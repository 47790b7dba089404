#include "lib/jobrecord.h"

#include <string.h>

#include <skalibs/types.h>

int
jobrecord_is_own(char const *key)
{
  return key[0] == 'Q' && strlen(key) == 4 &&
         strspn(key + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3;
}

static size_t
find(struct jobrecord const *record, char const *key)
{
  size_t i = 0;
  while (i < record->lines && strcmp(record->line[i].key, key))
    i++;
  return i;
}

struct metadata const *
jobrecord_find(struct jobrecord const *record, char const *key)
{
  size_t i = find(record, key);
  return i < record->lines ? record->line + i : NULL;
}

/* Keep one line of n bytes, a NUL after it. 1, or 0 if there is no room. */
static int
add_line(struct jobrecord *record, char *line, size_t n)
{
  char *colon = memmem(line, n, ": ", 2);
  if (!colon || memchr(line, 0, (size_t)(colon - line)))
    return 1;
  *colon = 0;
  size_t i = find(record, line);
  if (i == JOBRECORD_LINES_MAX)
    return 0;
  char *value = colon + 2;
  record->line[i] = (struct metadata){line, value, (size_t)(line + n - value)};
  record->lines += i == record->lines;
  return 1;
}

static char const *
read_own(struct jobrecord *record)
{
  struct metadata const *path = jobrecord_find(record, "QDFN");
  struct metadata const *bytes = jobrecord_find(record, "QDSB");
  struct metadata const *seconds = jobrecord_find(record, "QSTT");
  uint64_t number = 0;
  if (!path || !path->value_bytes || strlen(path->value) != path->value_bytes)
    return "no data file named";
  record->data_path = path->value;
  record->has_bytes = bytes && uint640_scan(bytes->value, &record->data_bytes);
  if (seconds && uint640_scan(seconds->value, &number) && number < INT64_MAX)
    record->seconds = (int64_t)number;
  return NULL;
}

char const *
jobrecord_parse(struct jobrecord *record, char *text, size_t n)
{
  record->lines = 0;
  record->seconds = 0;
  record->data_bytes = 0;
  while (n && !text[n - 1])
    n--;
  if (!n || text[n - 1] != '\n')
    return "cut short";
  for (char *p = text, *end = text + n, *lf; p < end; p = lf + 1) {
    lf = memchr(p, '\n', (size_t)(end - p));
    *lf = 0;
    if (!add_line(record, p, (size_t)(lf - p)))
      return "too many lines";
  }
  return read_own(record);
}

struct output {
  char *text;
  size_t used, size; /* used > size: it did not fit */
  size_t lines;
};

static void
put(struct output *output, char const *bytes, size_t n)
{
  if (output->used > output->size || n > output->size - output->used) {
    output->used = output->size + 1;
    return;
  }
  if (n)
    memcpy(output->text + output->used, bytes, n);
  output->used += n;
}

static void
put_line(struct output *output, char const *key, char const *value, size_t n)
{
  if (!value)
    return;
  put(output, key, strlen(key));
  put(output, ": ", 2);
  put(output, value, n);
  put(output, "\n", 1);
  output->lines++;
}

static struct metadata const *
find_in(struct metadata const *set, size_t count, char const *key)
{
  for (size_t i = 0; i < count; i++)
    if (!strcmp(set[i].key, key))
      return set + i;
  return NULL;
}

size_t
jobrecord_format(struct jobrecord const *record, char const *data_path,
                 struct metadata const *set, size_t count, char *out,
                 size_t size)
{
  struct output output = {out, 0, size, 0};
  put_line(&output, "QDFN", data_path, strlen(data_path));
  for (size_t i = 0; i < record->lines; i++) {
    struct metadata const *line = record->line + i;
    if (strcmp(line->key, "QDFN") && !find_in(set, count, line->key))
      put_line(&output, line->key, line->value, line->value_bytes);
  }
  for (size_t i = 0; i < count; i++)
    put_line(&output, set[i].key, set[i].value, set[i].value_bytes);
  return output.used > size || output.lines > JOBRECORD_LINES_MAX ? 0
                                                                  : output.used;
}
