#include "smtpd/tcpaccept.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include "lib/clock.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "smtpd/tcplisten.h"
#include "smtpd/tcppriority.h"

#define LATE_MS 10     /* a client is left to running children so long; */
#define LATE_SHARE 400 /* in a short queue 1 ms for so many of its places */
#define FULL_MS 5      /* between two looks at a queue that we leave full */
#define FAILED_MS 100  /* the pause after a failure of accept() */
#define LOG_MS 1000    /* between two lines about being busy */
#define LAST_MAX 65536 /* clients who are told that we end */
#define DROPPED_BYTES 65536

/* For end(), a signal handler. */
static int listening;
static pid_t accepting;

struct server {
  int socket;
  uint32_t limit;
  struct tcpchild const *child;
  uint32_t children;
  bool hurried;  /* the child being started may take others later */
  uint32_t late; /* clients no child has taken in time: each gets a new one */
  bool waiting;  /* the queue was not empty when we looked last */
  bool behind;   /* it was an eighth full, and has not been empty since */
  uint64_t shed; /* clients told 421 since the last line of the log */
  int error;     /* errno of the last fork() that failed since then, or 0 */
  int64_t logged_ms;
};

static void
end_wait(int number)
{
  (void)number; /* its only use is that ppoll() returns */
}

static bool
is_full(struct server const *server)
{
  return server->children >= server->limit;
}

/* Say why, without waiting for the client. What it has sent is read first: a
 * close with input unread is a reset, which can overtake the reply. */
static void
refuse(int fd, char const *reply)
{
  recv(fd, NULL, DROPPED_BYTES, MSG_DONTWAIT | MSG_TRUNC);
  send(fd, reply, strlen(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
shed(struct server *server, int fd)
{
  server->shed++;
  refuse(fd, "421 4.3.2 Too many connections, try later\r\n");
}

/* SIGTERM. The kernel would reset those that wait when the socket is closed.
 * In a child that still has this handler, just after fork(), nobody is told. */
static void
end(int number)
{
  struct log log;
  (void)number;
  if (getpid() != accepting)
    _exit(EXIT_DONE);
  for (int n = 0; n < LAST_MAX; n++) {
    int fd = accept(listening, NULL, NULL);
    if (fd < 0)
      break;
    refuse(fd, "421 4.3.2 Service shutting down\r\n");
    close(fd);
  }
  log_start(&log, "stopped");
  log_write(&log);
  _exit(EXIT_DONE);
}

static void
start(struct server *server, int fd, struct sockaddr_storage const *from)
{
  if (!server->hurried)
    tcpchild_refresh(false);
  pid_t pid = fork();
  if (pid < 0) {
    server->error = errno;
    shed(server, fd);
    return;
  }
  if (pid) {
    server->children++;
    return;
  }
  sig_restore(SIGCHLD);
  sig_restore(SIGTERM);
  sig_restore(SIGHUP);
  sig_unblock(SIGCHLD);
  if (dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "set up the connection");
  tcpchild_run(server->child, from, server->hurried ? listening : -1,
               accepting);
}

/* Accept the client that has waited longest; serve: else it is told 421. 1, or
 * 0: nobody waits, or descriptors or memory are short. */
static int
take(struct server *server, bool serve)
{
  struct sockaddr_storage from;
  socklen_t size = sizeof from;
  int fd =
      accept4(server->socket, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
  if (fd >= 0) {
    if (serve)
      start(server, fd, &from);
    else
      shed(server, fd);
    close(fd);
    return 1;
  }
  if (errno == EINTR || errno == ECONNABORTED)
    return 1;
  if (errno != EAGAIN) {
    strerr_warnwusys("accept a connection");
    poll(NULL, 0, FAILED_MS);
  }
  return 0;
}

/* Keep a quarter of the queue free. At most as many as it holds are turned away
 * at once, for others come meanwhile. */
static void
make_room(struct server *server)
{
  uint32_t waiting, most, shed = 0;
  while (tcplisten_waiting(server->socket, &waiting, &most)) {
    server->waiting = waiting > 0;
    server->behind = waiting > most / 8 || (waiting && server->behind);
    tcppriority_set(server->behind);
    if (waiting <= most - most / 4 || shed++ == most || !take(server, false))
      return;
  }
}

static void
reap(struct server *server)
{
  while (waitpid(-1, NULL, WNOHANG) > 0)
    if (server->children) /* a child of what exec'ed us is not counted */
      server->children--;
}

/* Milliseconds until the next line is due; -1: none is. */
static int
log_busy(struct server *server)
{
  struct log log;
  uint32_t waiting = 0, most;
  if (!is_full(server) && !server->shed)
    return -1;
  int64_t now = clock_ms();
  if (now - server->logged_ms < LOG_MS)
    return (int)(LOG_MS - (now - server->logged_ms));
  if (!tcplisten_waiting(server->socket, &waiting, &most) ||
      (!waiting && !server->shed))
    return -1;
  log_start(&log, "busy");
  log_number(&log, "connections", server->children);
  log_number(&log, "limit", server->limit);
  log_number(&log, "waiting", waiting);
  log_number(&log, "shed", server->shed);
  if (server->error)
    log_string(&log, "error", strerror(server->error));
  log_write(&log);
  server->shed = 0;
  server->error = 0;
  server->logged_ms = now;
  return LOG_MS;
}

/* Until somebody comes, a child ends, or there may be something else to do. */
static void
wait_for_more(struct server const *server, int milliseconds)
{
  bool known = is_full(server) && server->waiting;
  struct pollfd fd = {known ? -1 : server->socket, POLLIN, 0};
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  sigset_t none;
  sigemptyset(&none);
  ppoll(&fd, 1, milliseconds < 0 ? NULL : &time, &none);
}

/* Give running children the time to take those that wait. Only half of those
 * left then are counted as late: more are being taken just now. */
static void
leave_to_children(struct server *server)
{
  uint32_t waiting, most;
  if (!tcplisten_waiting(server->socket, &waiting, &most))
    return;
  int milliseconds = (int)(most / LATE_SHARE) + 1;
  poll(NULL, 0, milliseconds < LATE_MS ? milliseconds : LATE_MS);
  tcpchild_refresh(true);
  if (tcplisten_waiting(server->socket, &waiting, &most))
    server->late = (waiting + 1) / 2;
}

/* Whether the next client gets a new process, or is left to running ones. */
static bool
is_to_start(struct server *server)
{
  server->hurried = server->late || tcpchild_hurries(server->child);
  if (server->late)
    server->late--;
  else if (server->hurried && server->children && !server->behind)
    return false;
  return true;
}

void
tcpaccept(int socket, uint32_t limit, struct tcpchild const *child)
{
  struct server server = {.socket = socket,
                          .limit = limit,
                          .child = child,
                          .logged_ms = clock_ms() - LOG_MS};
  sig_block(SIGCHLD);
  sig_catch(SIGCHLD, end_wait);
  listening = socket;
  accepting = getpid();
  sig_catch(SIGTERM, end);
  /* control/ is read anew as it is. Who says svc -h after a change of it, as
   * to a pool, is to turn nobody away. */
  sig_catch(SIGHUP, end_wait);
  for (;;) {
    make_room(&server);
    reap(&server);
    int milliseconds = log_busy(&server);
    if (is_full(&server)) {
      wait_for_more(&server, server.waiting ? FULL_MS : milliseconds);
      continue;
    }
    bool start = is_to_start(&server);
    if (start && take(&server, true))
      continue;
    server.late = 0;
    wait_for_more(&server, milliseconds);
    if (!start)
      leave_to_children(&server);
  }
}
