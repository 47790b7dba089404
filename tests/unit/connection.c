#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "lib/connection.h"

static void
is_said(char const *proto, char const *wanted, char const *name)
{
  if (proto)
    setenv("PROTO", proto, 1);
  else
    unsetenv("PROTO");
  char const *got = connection_variable("REMOTEIP");
  tap_is_string(got ? got : "(none)", wanted, name);
}

/* The same with a PROTO of n bytes, and a variable of that name. */
static void
is_long(size_t n, char const *wanted, char const *name)
{
  char variable[80] = "";
  char proto[80] = "";
  memset(proto, 'P', n);
  strcat(strcpy(variable, proto), "REMOTEIP");
  setenv(variable, "192.0.2.3", 1);
  is_said(proto, wanted, name);
}

int
main(void)
{
  unsetenv("TCPREMOTEIP");
  is_said(NULL, "(none)", "nothing is known");
  setenv("TCPREMOTEIP", "192.0.2.1", 1);
  is_said(NULL, "192.0.2.1", "TCP without PROTO");
  is_said("SSL", "192.0.2.1", "TCP where PROTO has none");
  setenv("SSLREMOTEIP", "192.0.2.2", 1);
  is_said("SSL", "192.0.2.2", "PROTO's own");
  /* With REMOTEIP 63 bytes, then 64. */
  is_long(55, "192.0.2.3", "a name of 63 bytes");
  is_long(56, "192.0.2.1", "one of 64 is none");
  return tap_done();
}
