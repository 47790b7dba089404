#include "lib/connection.h"

#include <stdlib.h>
#include <string.h>

static char const *
variable_of(char const *proto, char const *name)
{
  char variable[64];
  if (strlen(proto) + strlen(name) >= sizeof variable)
    return NULL;
  stpcpy(stpcpy(variable, proto), name);
  return getenv(variable);
}

char const *
connection_variable(char const *name)
{
  char const *proto = getenv("PROTO");
  char const *value = proto ? variable_of(proto, name) : NULL;
  return value ? value : variable_of("TCP", name);
}
