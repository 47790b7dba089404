#include "deliver/field.h"

#include <stdio.h>
#include <string.h>

static void
print(char const *value)
{
  char const *quote = !value[0] || strchr(value, ' ') ? "\"" : "";
  fputs(quote, stdout);
  for (char const *p = value; *p; p++) {
    unsigned char c = (unsigned char)*p;
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
      printf("\\x%02x", c);
    else
      putchar(c);
  }
  fputs(quote, stdout);
}

void
field_value(char const *value)
{
  putchar(' ');
  print(value);
}

void
field_string(char const *key, char const *value)
{
  printf(" %s=", key);
  print(value);
}

void
field_number(char const *key, uint64_t value)
{
  printf(" %s=%llu", key, (unsigned long long)value);
}
