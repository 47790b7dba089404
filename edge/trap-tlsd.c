/* trap-tlsd: speaks TLS for programs that hand it their clients. Specified in
 * trap-tlsd(8). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "edge/tlsconfine.h"
#include "edge/tlskeys.h"
#include "edge/tlspolicy.h"
#include "edge/tlssession.h"
#include "edge/tlstickets.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/fdpass.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/tlsborrow.h"
#include "lib/unixsocket.h"

#define USAGE "trap-tlsd [-n most] [-k seconds] socket directory"
#define MOST 400
#define KEY_SECONDS 3600
#define LOG_EVERY_MS 1000
#define PAUSE_MS 200 /* between two tries to accept, out of descriptors */

struct service {
  SSL_CTX *context;
  int listener;
  uint32_t most;
  uint32_t key_seconds; /* that a key makes tickets */
  uint32_t sessions;
  uint64_t refused; /* not logged yet */
  int64_t logged_ms;
};

/* Returns the index of the first argument that is no option. */
static int
read_options(struct service *service, int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv, "n:k:", &l)) !=
         -1) {
    if (option == 'k')
      service->key_seconds = option_number32("-k", l.arg, 1, 100000);
    else if (option == 'n')
      service->most = option_number32("-n", l.arg, 1, 100000);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc - l.ind != 2)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return l.ind;
}

static void
log_refused(struct service *service)
{
  struct log log;
  int64_t now = clock_ms();
  if (!service->refused || now - service->logged_ms < LOG_EVERY_MS)
    return;
  log_start(&log, "busy");
  log_number(&log, "sessions", service->sessions);
  log_number(&log, "refused", service->refused);
  log_write(&log);
  service->refused = 0;
  service->logged_ms = now;
}

static void
refuse(struct service *service, int borrower)
{
  fdpass_send(borrower, TLS_REFUSED, NULL, 0);
  service->refused++;
  log_refused(service);
}

static void
serve_borrower(struct service *service, int borrower)
{
  tlspolicy_update(service->context);
  tlstickets_update(clock_ms(), service->key_seconds);
  pid_t pid = -1;
  if (service->sessions < service->most && tlskeys_update()) {
    pid = fork();
    if (pid < 0)
      strerr_warnwusys("fork");
  }
  if (!pid) {
    selfpipe_finish();
    close(service->listener);
    tlssession_run(service->context, borrower);
    _exit(EXIT_DONE);
  }
  if (pid > 0)
    service->sessions++;
  else
    refuse(service, borrower);
  close(borrower);
}

/* Out of descriptors or memory, the socket would stay readable. */
static void
accept_all(struct service *service)
{
  int fd;
  while ((fd = accept4(service->listener, NULL, NULL,
                       SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
    serve_borrower(service, fd);
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
    return;
  strerr_warnwusys("accept a borrower");
  poll(NULL, 0, PAUSE_MS);
}

static void
reap(struct service *service)
{
  struct log log;
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    service->sessions--;
    if (WIFEXITED(status) && !WEXITSTATUS(status))
      continue;
    log_start(&log, "error: session ended");
    log_number(&log, "pid", (uint64_t)pid);
    log_status(&log, status);
    log_write(&log);
  }
}

/* Whether to go on. */
static bool
take_signals(struct service *service)
{
  for (;;) {
    switch (selfpipe_read()) {
    case SIGCHLD:
      reap(service);
      break;
    case SIGHUP: /* keys and policy are read anew for each client anyway */
      break;
    case SIGTERM:
    case SIGINT:
      return false;
    default:
      return true;
    }
  }
}

static void
serve(struct service *service, int signals)
{
  struct pollfd fds[2] = {{signals, POLLIN, 0}, {service->listener, POLLIN, 0}};
  bool going = true;
  while (going) {
    int n = poll(fds, 2, service->refused ? LOG_EVERY_MS : -1);
    if (n < 0 && errno != EINTR)
      strerr_diefusys(EXIT_TEMPORARY, "wait for events");
    log_refused(service);
    if (n > 0 && fds[0].revents)
      going = take_signals(service);
    if (n > 0 && going && fds[1].revents)
      accept_all(service);
  }
}

static int
trap_signals(void)
{
  int fd = selfpipe_init();
  if (fd < 0 || !selfpipe_trap(SIGCHLD) || !selfpipe_trap(SIGTERM) ||
      !selfpipe_trap(SIGINT) || !selfpipe_trap(SIGHUP))
    strerr_diefusys(EXIT_TEMPORARY, "trap signals");
  return fd;
}

int
main(int argc, char **argv)
{
  struct service service = {
      .most = MOST, .key_seconds = KEY_SECONDS, .logged_ms = INT64_MIN / 2};
  struct log log;
  char host[256];
  process_begin("trap-tlsd");
  int first = read_options(&service, argc, argv);
  if (control_me(host, sizeof host) < 0)
    strerr_dief(EXIT_TEMPORARY, control_error());
  /* No session may trace us, who have all the keys; nor may a core. */
  prctl(PR_SET_DUMPABLE, 0);
  service.context = tlspolicy_context();
  if (!tlstickets_begin(service.context))
    strerr_dief(EXIT_TEMPORARY, "unable to set up OpenSSL");
  int signals = trap_signals();
  int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  service.listener = unixsocket_listen(argv[first]);
  if (chdir(argv[first + 1]) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "enter ", argv[first + 1]);
  tlskeys_make(host);
  if (!tlspolicy_update(service.context) || !tlskeys_update())
    strerr_dief(EXIT_TEMPORARY, "no policy, or no key to begin with");
  if (!tlsconfine_filters())
    strerr_warnw("no filter of system calls: each client's process has ours");
  log_start(&log, "started");
  log_string(&log, "socket", argv[first]);
  log_number(&log, "most", service.most);
  log_write(&log);
  serve(&service, signals);
  unlinkat(here, argv[first], 0);
  log_start(&log, "stopped");
  log_number(&log, "sessions", service.sessions);
  log_write(&log);
  SSL_CTX_free(service.context);
  return EXIT_DONE;
}
