/* tlsaccept: has a service speak TLS with the client on descriptors 0 and 1,
 * then becomes its arguments. Specified in tlsaccept(8). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "edge/chain.h"
#include "lib/connection.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/tlsborrow.h"

#define USAGE "tlsaccept socket program [argument ...]"
#define PREFIX "XNOTE_"

static void
start_log(struct log *log, char const *event)
{
  char const *ip = connection_variable("REMOTEIP");
  log_start(log, event);
  log_string(log, "ip", ip ? ip : "");
}

static void
note(struct log *log, char const *key, char const *value)
{
  char name[64] = PREFIX;
  log_string(log, key, value);
  if (strlen(key) >= sizeof name - strlen(PREFIX))
    return;
  strcat(name, key);
  if (setenv(name, value, 1) < 0)
    chain_fail("set", name);
}

static void
take_facts(char *text)
{
  struct log log;
  char *key, *value;
  start_log(&log, "tls");
  while (tlsborrow_fact(&text, &key, &value))
    note(&log, key, value);
  log_write(&log);
}

/* The descriptor in clear text; else it is logged why not. */
static int
accept_tls(char const *socket)
{
  char text[TLS_TEXT_MAX + 1];
  struct log log;
  int service = tlsborrow_connect(socket);
  if (service < 0) {
    char const *reason = strerror(errno);
    start_log(&log, "error: no TLS service");
    log_string(&log, "socket", socket);
    log_string(&log, "error", reason);
    log_write(&log);
    _exit(EXIT_TEMPORARY);
  }
  int fd = tlsborrow_handshake(service, 0, text);
  if (fd < 0) {
    start_log(&log, "TLS handshake failed");
    log_string(&log, "error", text);
    log_write(&log);
    _exit(EXIT_DONE);
  }
  take_facts(text);
  return fd;
}

int
main(int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  process_begin("tlsaccept");
  if (subgetopt_r(argc, (char const *const *)argv, "", &l) != -1)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  argv += l.ind;
  if (argc - l.ind < 2)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  int fd = accept_tls(argv[0]);
  if (dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "take the connection");
  close(fd);
  chain_run(argv + 1);
}
