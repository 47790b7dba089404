#include "lib/jobname.h"

#include <string.h>
#include <time.h>

#include <skalibs/types.h>

#include "lib/digits.h"

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

size_t
jobname_hash(char const *host, uint32_t pid, char *out)
{
  static char const alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+_";
  char digits[UINT32_FMT];
  char sum_digits[UINT16_FMT + 2] = {0};
  uint16_t sum = 0;
  digits[uint32_fmt(digits, pid)] = 0;
  for (char const *p = host; *p; p++)
    sum = (uint16_t)(sum + (unsigned char)*p);
  for (char const *p = digits; *p; p++)
    sum = (uint16_t)(sum + (unsigned char)*p);
  size_t n = uint16_fmt(sum_digits, sum);
  size_t used = 0;
  out[used++] = alphabet[n];
  for (size_t i = 0; i < n; i += 3) {
    uint32_t triple = (uint32_t)sum_digits[i] << 16 |
                      (uint32_t)sum_digits[i + 1] << 8 |
                      (uint32_t)sum_digits[i + 2];
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
  struct tm utc;
  if (name->priority > JOBNAME_PRIORITY_MAX || name->microseconds > 999999 ||
      name->seconds < 0 || name->seconds > LAST_SECOND)
    return 0;
  time_t seconds = (time_t)name->seconds;
  if (!gmtime_r(&seconds, &utc))
    return 0;
  char *p = digits_put(out, name->priority, 2);
  *p++ = '.';
  p = digits_put(p, (uint64_t)utc.tm_year + 1900, 4);
  p = digits_put(p, (uint64_t)utc.tm_mon + 1, 2);
  p = digits_put(p, (uint64_t)utc.tm_mday, 2);
  p = digits_put(p, (uint64_t)utc.tm_hour, 2);
  p = digits_put(p, (uint64_t)utc.tm_min, 2);
  p = digits_put(p, (uint64_t)utc.tm_sec, 2);
  p = digits_put(p, name->microseconds, 6);
  *p++ = '.';
  p += jobname_hash(name->host, name->pid, p);
  *p++ = '.';
  p += uint32_fmt(p, name->pid);
  *p++ = '.';
  p = digits_put(p, name->random, 5);
  *p = 0;
  return (size_t)(p - out);
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
  char *p = stpcpy(out, "data/");
  *p++ = base[n - 2];
  *p++ = '/';
  *p++ = base[n - 1];
  *p++ = '/';
  memcpy(p, base, n - 2);
  p[n - 2] = 0;
  return (size_t)(p - out) + n - 2;
}
