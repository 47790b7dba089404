#include "deliver/datename.h"

#include <stdio.h>
#include <string.h>

/* What stands for %letter: its value and its digits, or 0. */
static int
digits_of(char letter, struct tm const *time, int *value)
{
  switch (letter) {
  case 'Y':
    *value = time->tm_year + 1900;
    return 4;
  case 'm':
    *value = time->tm_mon + 1;
    return 2;
  case 'd':
    *value = time->tm_mday;
    return 2;
  case 'H':
    *value = time->tm_hour;
    return 2;
  case 'j':
    *value = time->tm_yday + 1;
    return 3;
  default:
    return 0;
  }
}

int
datename_expand(char const *pattern, struct tm const *time, char *out,
                size_t size)
{
  size_t used = 0;
  for (char const *p = pattern; *p; p++) {
    char text[16] = {*p, 0};
    int value;
    if (*p == '%' && *++p != '%') {
      int digits = digits_of(*p, time, &value);
      if (!digits)
        return 0;
      snprintf(text, sizeof text, "%0*d", digits, value);
    }
    size_t n = strlen(text);
    if (used + n >= size)
      return 0;
    memcpy(out + used, text, n);
    used += n;
  }
  out[used] = 0;
  return 1;
}
