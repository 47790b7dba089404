/* trap-smtpd: takes mail on the connection that a UCSPI server hands over and
 * passes it through a pipeline. Specified in trap-smtpd(8). */
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "lib/exitcode.h"
#include "lib/process.h"
#include "smtpd/session.h"

#define USAGE "trap-smtpd [program [argument ...]]"

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
    return config_refuse(reason);
  session_run(&session);
  session_end(&session);
  return EXIT_DONE;
}
