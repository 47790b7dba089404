#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/jobname.h"

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

size_t
jobname_hash(char const *host, uint32_t pid, char *out)
{
  static char const alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+_";
  char digits[11];
  unsigned char sum_digits[7] = {0};
  uint16_t sum = 0;
  snprintf(digits, sizeof digits, "%lu", (unsigned long)pid);
  for (char const *p = host; *p; p++)
    sum = (uint16_t)(sum + (unsigned char)*p);
  for (char const *p = digits; *p; p++)
    sum = (uint16_t)(sum + (unsigned char)*p);
  int n =
      snprintf((char *)sum_digits, sizeof sum_digits, "%u", (unsigned int)sum);
  size_t used = 0;
  out[used++] = alphabet[n];
  for (int i = 0; i < n; i += 3) {
    uint32_t triple = (uint32_t)sum_digits[i] << 16 |
                      (uint32_t)sum_digits[i + 1] << 8 | sum_digits[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) {
      uint32_t value = triple >> shift & 63;
      if (value)
        out[used++] = alphabet[value];
    }
  }
  out[used] = 0;
  return used;
}

size_t
jobname_base(struct jobname const *name, char *out)
{
  char hash[JOBNAME_HASH_MAX + 1];
  struct tm utc;
  if (name->priority > JOBNAME_PRIORITY_MAX || name->microseconds > 999999 ||
      name->seconds < 0 || name->seconds > LAST_SECOND)
    return 0;
  time_t seconds = (time_t)name->seconds;
  if (!gmtime_r(&seconds, &utc))
    return 0;
  jobname_hash(name->host, name->pid, hash);
  int n =
      snprintf(out, JOBNAME_BASE_MAX + 1,
               "%02u.%04d%02d%02d%02d%02d%02d%06u.%s.%lu.%05u", name->priority,
               utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
               utc.tm_min, utc.tm_sec, name->microseconds, hash,
               (unsigned long)name->pid, (unsigned int)name->random);
  return n > 0 && n <= JOBNAME_BASE_MAX ? (size_t)n : 0;
}

static int
is_directory_name(char c)
{
  return c && c != '.' && c != '/';
}

size_t
jobname_data(char const *base, char *out)
{
  size_t n = strnlen(base, JOBNAME_BASE_MAX + 1);
  if (n < 3 || n > JOBNAME_BASE_MAX || !is_directory_name(base[n - 2]) ||
      !is_directory_name(base[n - 1]))
    return 0;
  int written = snprintf(out, JOBNAME_DATA_MAX + 1, "data/%c/%c/%.*s",
                         base[n - 2], base[n - 1], (int)(n - 2), base);
  return written > 0 ? (size_t)written : 0;
}
