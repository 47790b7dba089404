#include "edge/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include "lib/connection.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"

bool
chain_bits_option(struct chain_bits *bits, int option, char const *text)
{
  if (option == '4')
    bits->v4 = option_number32("-4", text, 0, 32);
  else if (option == '6')
    bits->v6 = option_number32("-6", text, 0, 128);
  else
    return false;
  return true;
}

bool
chain_network(struct network *network, struct chain_bits const *bits)
{
  char const *address = connection_variable("REMOTEIP");
  if (address && network_of(network, address, bits->v4, bits->v6))
    return true;
  struct log log;
  log_start(&log, "warning: no address of the client");
  log_string(&log, "ip", address ? address : "");
  log_write(&log);
  return false;
}

void
chain_refuse(char const *reply, int code)
{
  struct iovec parts[2] = {{(char *)(uintptr_t)reply, strlen(reply)},
                           {(char[]){'\r', '\n'}, 2}};
  if (writev(1, parts, 2) < 0)
    errno = 0; /* who is gone needs no reply */
  _exit(code);
}

void
chain_fail(char const *verb, char const *object)
{
  strerr_warnwusys(verb, " ", object);
  chain_refuse("421 4.3.0 Service not available", EXIT_TEMPORARY);
}

void
chain_run(char **program)
{
  unsigned int locks = process_locks();
  for (unsigned int i = 0; i < locks; i++)
    fcntl(3 + (int)i, F_SETFD, 0);
  sig_restore(SIGPIPE);
  sig_restore(SIGXFSZ);
  execvp(program[0], program);
  chain_fail("run", program[0]);
}
