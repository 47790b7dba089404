/* trap-smtpd: takes mail on the connection that a UCSPI server hands over and
 * passes it through a pipeline. Specified in trap-smtpd(8). */
#include <stdio.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd/session.h"

#define USAGE "trap-smtpd [program [argument ...]]"

/* The client hears that it may come back; the log hears why. */
static int
refuse_service(char const *reason)
{
  struct log log;
  log_start(&log, "fatal: unable to read the configuration");
  log_string(&log, "error", reason);
  log_write(&log);
  puts("421 4.3.0 Service not available\r");
  fflush(stdout);
  return EXIT_TEMPORARY;
}

int
main(int argc, char **argv)
{
  static struct session session;
  char const *reason;
  subgetopt l = SUBGETOPT_ZERO;
  process_begin("trap-smtpd");
  if (subgetopt_r(argc, (char const *const *)argv, "", &l) != -1)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  argc -= l.ind;
  argv += l.ind;
  if (!config_read(&session.config, argc ? argv : NULL, &reason))
    return refuse_service(reason);
  session_run(&session);
  return EXIT_DONE;
}
