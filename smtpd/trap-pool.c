/* trap-pool: keeps pipelines running and lends each to one trap-smtpd at a
 * time. Specified in trap-pool(8). */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "lib/clock.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/unixsocket.h"
#include "smtpd/pool.h"

#define USAGE                                                                  \
  "trap-pool [-n warm] [-m most] [-s sessions] [-a age] [-w wait] socket "     \
  "[program [argument ...]]"
#define LANES_MAX 10000
#define NUMBER_MAX 100000000
#define EVENTS 64
#define LOOKS 16     /* at what has come, between two looks at the clock */
#define PAUSE_MS 200 /* between two tries to accept, out of descriptors */

struct listener {
  int socket;
  bool watched;
  int64_t since_ms; /* not watched */
};

/* Returns the index of the first argument that is no option. */
static int
read_options(struct pool *pool, int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "n:m:s:a:w:", &l)) != -1) {
    switch (option) {
    case 'n':
      pool->warm = option_number("-n", l.arg, 0, LANES_MAX);
      break;
    case 'm':
      pool->most = option_number("-m", l.arg, 1, LANES_MAX);
      break;
    case 's':
      pool->sessions = option_number("-s", l.arg, 1, NUMBER_MAX);
      break;
    case 'a':
      pool->age_ms = (int64_t)option_number("-a", l.arg, 1, NUMBER_MAX) * 1000;
      break;
    case 'w':
      pool->wait_ms = (int64_t)option_number("-w", l.arg, 0, NUMBER_MAX) * 1000;
      break;
    default:
      strerr_dieusage(EXIT_PERMANENT, USAGE);
    }
  }
  if (pool->warm > pool->most)
    pool->warm = pool->most;
  if (argc <= l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return l.ind;
}

/* Out of descriptors or memory, the socket is left alone for a moment: it would
 * stay readable. */
static void
accept_all(struct pool *pool, struct listener *listener)
{
  int fd;
  while ((fd = accept4(listener->socket, NULL, NULL,
                       SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
    pool_borrow(pool, fd);
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
    return;
  strerr_warnwusys("accept a borrower");
  epoll_ctl(pool->epoll, EPOLL_CTL_DEL, listener->socket, NULL);
  listener->watched = false;
  listener->since_ms = pool->now_ms;
}

/* How long events may be waited for, at most timeout_ms; -1: any time. */
static int
listen_again(struct pool *pool, struct listener *listener, int timeout_ms)
{
  if (listener->watched)
    return timeout_ms;
  if (pool->now_ms - listener->since_ms < PAUSE_MS)
    return PAUSE_MS;
  if (pool_watch(pool, listener->socket, POOL_LISTEN, 0) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "watch the socket");
  listener->watched = true;
  return timeout_ms;
}

/* Whether to go on. */
static bool
take_signals(struct pool *pool)
{
  for (;;) {
    switch (selfpipe_read()) {
    case SIGCHLD:
      pool_reap(pool);
      break;
    case SIGHUP:
      pool_renew(pool);
      break;
    case SIGTERM:
    case SIGINT:
      return false;
    default:
      return true;
    }
  }
}

/* Whether to go on. */
static bool
take_event(struct pool *pool, struct listener *listener, uint64_t event)
{
  uint32_t index = (uint32_t)event;
  switch ((enum pool_event)(event >> 32)) {
  case POOL_LISTEN:
    accept_all(pool, listener);
    break;
  case POOL_SIGNAL:
    return take_signals(pool);
  case POOL_BORROWER:
    pool_hear(pool, (int)index);
    break;
  case POOL_LANE:
    pool_probe(pool, index);
    break;
  }
  return true;
}

/* That a stage has ended comes first: its lane is not to be lent. Whether to go
 * on. */
static bool
take_events(struct pool *pool, struct listener *listener,
            struct epoll_event const *events, int n)
{
  bool going = true;
  for (int signals = 1; signals >= 0; signals--)
    for (int i = 0; i < n && going; i++)
      if ((events[i].data.u64 >> 32 == POOL_SIGNAL) == signals)
        going = take_event(pool, listener, events[i].data.u64);
  return going;
}

static int
look(struct pool const *pool, struct epoll_event events[EVENTS], int timeout_ms)
{
  int n = epoll_wait(pool->epoll, events, EVENTS, timeout_ms);
  if (n < 0 && errno != EINTR)
    strerr_diefusys(EXIT_TEMPORARY, "wait for events");
  return n;
}

/* What has come is taken before anybody is late: we may have been stopped, and
 * then epoll_wait(2) says EINTR, whatever is ready. */
static void
serve(struct pool *pool, struct listener *listener)
{
  struct epoll_event events[EVENTS];
  bool going = true;
  pool->now_ms = clock_ms();
  while (going) {
    int n = look(pool, events, listen_again(pool, listener, pool_tick(pool)));
    pool->now_ms = clock_ms();
    for (int i = 0; i < LOOKS && going; i++) {
      if (i || n <= 0)
        n = look(pool, events, 0);
      going = take_events(pool, listener, events, n);
      if (n < EVENTS)
        break;
    }
  }
}

static int
trap_signals(void)
{
  int fd = selfpipe_init();
  if (fd < 0 || !selfpipe_trap(SIGCHLD) || !selfpipe_trap(SIGHUP) ||
      !selfpipe_trap(SIGTERM) || !selfpipe_trap(SIGINT))
    strerr_diefusys(EXIT_TEMPORARY, "trap signals");
  return fd;
}

int
main(int argc, char **argv)
{
  struct log log;
  struct rlimit files;
  static struct pool pool = {.warm = 8,
                             .most = 64,
                             .sessions = 100000,
                             .age_ms = 3600000,
                             .wait_ms = 20000};
  process_begin("trap-pool");
  clock_settle();
  int first = read_options(&pool, argc, argv);
  char **command = first + 1 < argc ? argv + first + 1 : NULL;
  pool.stages = stagelist_read(command);
  if (!pool.stages)
    strerr_dief(EXIT_TEMPORARY, control_error());
  if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur > 1048576)
    files.rlim_cur = 1048576;
  int signals = trap_signals();
  struct listener listener = {.socket = unixsocket_listen(argv[first]),
                              .watched = false,
                              .since_ms = INT64_MIN / 2};
  if (!pool_init(&pool, files.rlim_cur) ||
      pool_watch(&pool, signals, POOL_SIGNAL, 0) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "set up the pool");
  log_start(&log, "started");
  log_string(&log, "socket", argv[first]);
  log_number(&log, "warm", pool.warm);
  log_number(&log, "most", pool.most);
  log_write(&log);
  serve(&pool, &listener);
  unlink(argv[first]);
  log_start(&log, "stopped");
  log_number(&log, "lent", pool.holding.length);
  log_number(&log, "waiting", pool.waiting.length);
  log_write(&log);
  return EXIT_DONE;
}
