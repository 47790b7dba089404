#include "deliver/retry.h"

#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

#define DIGITS 12
#define DUE_MAX 999999999999

static bool
get_number(struct jobrecord const *record, char const *key, uint64_t *number)
{
  struct metadata const *line = jobrecord_find(record, key);
  uint64_t value;
  if (!line || !uint640_scan(line->value, &value) || value > DUE_MAX)
    return false;
  *number = value;
  return true;
}

bool
retry_next(struct retry_rules const *rules, struct jobrecord const *record,
           int64_t now_s, struct retry *retry)
{
  uint64_t tries = 0, began = (uint64_t)now_s;
  get_number(record, RETRY_TRIES, &tries);
  get_number(record, RETRY_FIRST, &began);
  retry->tries = tries + 1;
  retry->began_s = (int64_t)began;
  int64_t delay = rules->first_s;
  for (uint64_t i = 1; i < retry->tries && delay < rules->most_s; i++)
    delay *= 2;
  if (delay > rules->most_s)
    delay = rules->most_s;
  retry->due_s = now_s + delay;
  return retry->tries < rules->tries && now_s - retry->began_s < rules->age_s;
}

void
retry_name(int64_t due_s, char const *job, char *out)
{
  snprintf(out, RETRY_NAME_MAX + 1, "%0*lld.%s", DIGITS,
           (long long)(due_s < 0         ? 0
                       : due_s > DUE_MAX ? DUE_MAX
                                         : due_s),
           job);
}

char const *
retry_job(char const *name, int64_t *due_s)
{
  char digits[DIGITS + 1];
  uint64_t number;
  if (strspn(name, "0123456789") != DIGITS || name[DIGITS] != '.' ||
      name[DIGITS + 1] < '0' || name[DIGITS + 1] > '9')
    return NULL;
  memcpy(digits, name, DIGITS);
  digits[DIGITS] = 0;
  uint640_scan(digits, &number);
  *due_s = (int64_t)number;
  return name + DIGITS + 1;
}
