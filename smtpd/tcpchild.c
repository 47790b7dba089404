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
#include "smtpd/tcpnext.h"
#include "smtpd/tcppriority.h"
#include "smtpd/tcprules.h"

#define VARIABLES_MAX 1000 /* in the environment */
#define REREAD_MS 10       /* between two readings of the control files, */
#define REREAD_BURST 100   /* after so many, each for one child */
#define WAIT_MS 50         /* for the next client */

/* Every child begins with a copy of this. Common symbols are put last by the
 * linker: so the beginning of the session, which an idle one writes, is on the
 * same few pages as libc's own variables. On the heap it would need page tables
 * of its own. */
struct tcpchild_own {
  struct session session;
  char *environment[VARIABLES_MAX]; /* with a client's variables */
  char *pristine[VARIABLES_MAX];    /* the same before the first client */
} tcpchild_own __attribute__((common));

static char const *configuration_error; /* NULL: it has its configuration */

static bool built_in;
static char const *control; /* the parent's TRAPLINE_CONTROL */

/* Each reading of the control files costs REREAD_MS of credit, which grows with
 * the time up to that of REREAD_BURST. */
static int64_t asked_ms, credit_ms;

static void
configure(void)
{
  config_free(&tcpchild_own.session.config);
  configuration_error = NULL;
  config_read(&tcpchild_own.session.config, NULL, &configuration_error);
}

bool
tcpchild_begin(struct tcpchild const *child, char const *name)
{
  built_in =
      !strcmp(child->program[0], TCPCHILD_BUILT_IN) && !child->program[1];
  asked_ms = clock_ms();
  credit_ms = (int64_t)REREAD_MS * REREAD_BURST;
  if (!tcpaddress_prepare(name, tcpchild_own.environment, VARIABLES_MAX))
    return false;
  memcpy(tcpchild_own.pristine, tcpchild_own.environment,
         sizeof tcpchild_own.pristine);
  control = getenv("TRAPLINE_CONTROL");
  return true;
}

static void
gain_credit(void)
{
  int64_t now = clock_ms();
  credit_ms += now - asked_ms;
  asked_ms = now;
  if (credit_ms > (int64_t)REREAD_MS * REREAD_BURST)
    credit_ms = (int64_t)REREAD_MS * REREAD_BURST;
}

bool
tcpchild_hurries(struct tcpchild const *child)
{
  if (!built_in || child->single)
    return false;
  gain_credit();
  return credit_ms < REREAD_MS;
}

void
tcpchild_refresh(bool hurries)
{
  if (!built_in)
    return;
  gain_credit();
  if (credit_ms < REREAD_MS)
    return;
  credit_ms = hurries ? 0 : credit_ms - REREAD_MS;
  configure();
}

/* Whether the rules let the client in; if not, *code is to exit with. */
static bool
admit(struct tcpchild const *child, struct tcpaddress const *remote, int *code)
{
  char ip[INET6_ADDRSTRLEN];
  tcpaddress_text(remote, ip);
  int r = tcprules_apply(child->rules, ip);
  int reason = errno;
  if (r > 0 || (r < 0 && reason == ENOENT && child->rules_optional))
    return true;
  struct log log;
  log_start(&log, r ? "error: unable to read the rules" : "denied");
  log_string(&log, "ip", ip);
  if (r) {
    log_string(&log, "file", child->rules);
    log_string(&log, "error", strerror(reason));
  }
  log_write(&log);
  *code = r ? EXIT_TEMPORARY : EXIT_DONE;
  return false;
}

/* Take back what a rule or a stage's start has changed. */
static void
restore_environment(void)
{
  size_t n = 0;
  do
    tcpchild_own.environment[n] = tcpchild_own.pristine[n];
  while (tcpchild_own.pristine[n++]);
  environ = tcpchild_own.environment;
}

/* Set the environment for the connection on descriptor 0. Whether it is to be
 * served; if not, *code is to exit with. */
static bool
set_up(struct tcpchild const *child, struct sockaddr_storage const *from,
       int *code)
{
  struct sockaddr_storage to = {.ss_family = AF_UNSPEC};
  socklen_t size = sizeof to;
  PROG = "trap-tcpserver";
  if (getsockname(0, (struct sockaddr *)&to, &size) < 0) {
    strerr_warnwusys("get the local address");
    *code = EXIT_TEMPORARY;
    return false;
  }
  struct tcpaddress remote = tcpaddress_of(from), local = tcpaddress_of(&to);
  tcpaddress_environment(&remote, &local);
  return !child->rules || admit(child, &remote, code);
}

static void __attribute__((noreturn)) become(char **program)
{
  sig_restore(SIGPIPE);
  sig_restore(SIGXFSZ);
  execvp(program[0], program);
  strerr_diefusys(EXIT_TEMPORARY, "run ", program[0]);
}

/* Take the next client that the rules let in; hang up on the others. news: as
 * for tcpnext_take(). */
static bool
take_next(struct tcpchild const *child, int news)
{
  struct sockaddr_storage from;
  int code;
  while (tcpnext_take(&from, WAIT_MS, news)) {
    restore_environment();
    if (set_up(child, &from, &code))
      return true;
    close(0);
    close(1);
  }
  return false;
}

/* Get ready for another session and take its client. */
static bool
go_on(struct tcpchild const *child)
{
  struct session *session = &tcpchild_own.session;
  if (!session_next(session))
    return false;
  if (session->pipeline.running &&
      take_next(child, session->pipeline.lease.socket))
    return true;
  session_end(session); /* go on waiting without a pipeline */
  return !wire_is_terminated() && take_next(child, -1);
}

/* Serve the client, and then others if they can be taken. Returns what to exit
 * with. */
static int
serve(struct tcpchild const *child, bool others)
{
  do {
    if (getenv("TRAPLINE_CONTROL") != control) {
      session_end(&tcpchild_own.session); /* its control has another pipeline */
      configure();
      others = false;
    }
    PROG = TCPCHILD_BUILT_IN;
    if (configuration_error)
      return config_refuse(configuration_error);
    session_run(&tcpchild_own.session);
  } while (others && go_on(child));
  session_end(&tcpchild_own.session);
  return EXIT_DONE;
}

void
tcpchild_run(struct tcpchild const *child, struct sockaddr_storage const *from,
             int listening, pid_t parent)
{
  int code;
  tcppriority_restore();
  bool admitted = set_up(child, from, &code);
  if (!admitted && listening < 0)
    _exit(code);
  if (!built_in)
    become(child->program);
  if (listening >= 0)
    tcpnext_begin(listening, parent);
  else
    process_close(3);
  prctl(PR_SET_NAME, TCPCHILD_BUILT_IN);
  if (!admitted) {
    close(0);
    close(1);
    if (!take_next(child, -1))
      _exit(code);
  }
  exit(serve(child, listening >= 0));
}
