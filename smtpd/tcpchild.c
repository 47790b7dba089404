#include "smtpd/tcpchild.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include "lib/clock.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/process.h"
#include "smtpd/session.h"
#include "smtpd/tcpaddress.h"
#include "smtpd/tcppriority.h"
#include "smtpd/tcprules.h"

#define REREAD_MS 10     /* between two readings of the control files, */
#define REREAD_BURST 100 /* after so many, each for one child */

/* Every session begins as a copy of this one. Not static, so that it can be
 * common, which the linker puts behind all else: what an idle session writes,
 * its own beginning and libc's, then shares few pages. */
struct session tcpchild_session __attribute__((common));
static char const *configuration_error; /* NULL: it has its configuration */

static bool built_in;
static int64_t asked_ms, credit_ms;

static void
configure(void)
{
  config_free(&tcpchild_session.config);
  configuration_error = NULL;
  config_read(&tcpchild_session.config, NULL, &configuration_error);
}

bool
tcpchild_begin(struct tcpchild *child, char const *name)
{
  built_in =
      !strcmp(child->program[0], TCPCHILD_BUILT_IN) && !child->program[1];
  asked_ms = clock_ms();
  credit_ms = (int64_t)REREAD_MS * REREAD_BURST;
  return tcpaddress_prepare(name, child->variables, TCPCHILD_VARIABLES_MAX);
}

void
tcpchild_refresh(void)
{
  if (!built_in)
    return;
  int64_t now = clock_ms();
  credit_ms += now - asked_ms;
  asked_ms = now;
  if (credit_ms > (int64_t)REREAD_MS * REREAD_BURST)
    credit_ms = (int64_t)REREAD_MS * REREAD_BURST;
  if (credit_ms < REREAD_MS)
    return;
  credit_ms -= REREAD_MS;
  configure();
}

static void
admit(struct tcpchild const *child, struct tcpaddress const *remote)
{
  char ip[INET6_ADDRSTRLEN];
  tcpaddress_text(remote, ip);
  int r = tcprules_apply(child->rules, ip);
  int reason = errno;
  if (r > 0 || (r < 0 && reason == ENOENT && child->rules_optional))
    return;
  struct log log;
  log_start(&log, r ? "error: unable to read the rules" : "denied");
  log_string(&log, "ip", ip);
  if (r) {
    log_string(&log, "file", child->rules);
    log_string(&log, "error", strerror(reason));
  }
  log_write(&log);
  _exit(r ? EXIT_TEMPORARY : EXIT_DONE);
}

static void __attribute__((noreturn)) become(char **program)
{
  sig_restore(SIGPIPE);
  sig_restore(SIGXFSZ);
  execvp(program[0], program);
  strerr_diefusys(EXIT_TEMPORARY, "run ", program[0]);
}

void
tcpchild_run(struct tcpchild const *child, struct sockaddr_storage const *from)
{
  struct sockaddr_storage to = {.ss_family = AF_UNSPEC};
  socklen_t size = sizeof to;
  char const *control = getenv("TRAPLINE_CONTROL");
  tcppriority_restore();
  if (getsockname(0, (struct sockaddr *)&to, &size) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "get the local address");
  struct tcpaddress remote = tcpaddress_of(from), local = tcpaddress_of(&to);
  tcpaddress_environment(&remote, &local);
  if (child->rules)
    admit(child, &remote);
  if (!built_in)
    become(child->program);
  process_close();
  PROG = TCPCHILD_BUILT_IN;
  prctl(PR_SET_NAME, TCPCHILD_BUILT_IN);
  if (getenv("TRAPLINE_CONTROL") != control)
    configure(); /* this client's are others */
  if (configuration_error)
    exit(config_refuse(configuration_error));
  session_run(&tcpchild_session);
  exit(EXIT_DONE);
}
