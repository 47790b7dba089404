#include "deliver/submitted.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/jobfan.h"

#define DIGITS "0123456789"
#define TIME_DIGITS 20 /* YYYYMMDDhhmmssuuuuuu */

static int
number(char const *digits, int n)
{
  int value = 0;
  for (int i = 0; i < n; i++)
    value = value * 10 + digits[i] - '0';
  return value;
}

static int64_t
days_from_1970(int64_t year, int month, int day)
{
  /* A year that begins in March has its odd day last. */
  int64_t from_march = month > 2 ? month - 3 : month + 9;
  year -= month <= 2;
  return year * 365 + year / 4 - year / 100 + year / 400 +
         (from_march * 153 + 2) / 5 + day - 1 - 719468;
}

int
submitted_name(char const *name, int64_t *seconds)
{
  if (strspn(name, DIGITS) != 2 || name[2] != '.' ||
      strspn(name + 3, DIGITS) != TIME_DIGITS || name[3 + TIME_DIGITS] != '.')
    return 0;
  char const *p = name + 3;
  int year = number(p, 4), month = number(p + 4, 2), day = number(p + 6, 2);
  int hour = number(p + 8, 2), minute = number(p + 10, 2);
  int second = number(p + 12, 2);
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 ||
      hour > 23 || minute > 59 || second > 60)
    return 0;
  *seconds = days_from_1970(year, month, day) * 86400 + hour * 3600 +
             minute * 60 + second;
  return 1;
}

int
submitted_file(int directory, char const *name, int64_t *seconds)
{
  struct stat status;
  if (submitted_name(jobfan_base(name), seconds))
    return 1;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == -1)
    return 0;
  *seconds = status.st_mtime;
  return 1;
}
