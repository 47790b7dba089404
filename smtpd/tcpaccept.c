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

#define FULL_MS 20     /* between two looks at the queue, while we are full */
#define FAILED_MS 100  /* the pause after a failure of accept() */
#define LOG_MS 1000    /* between two lines about being busy */
#define LAST_MAX 65536 /* of those who wait hear of our end */
#define DROPPED_BYTES 65536

/* Of the process that accepts: for the end. */
static int listening;
static pid_t accepting;

struct server {
  int socket;
  uint32_t limit;
  struct tcpchild const *child;
  uint32_t children;
  bool behind;   /* clients have waited since the queue was an eighth full */
  uint64_t shed; /* since the last line */
  int error;     /* an errno; why a child could not be started since then */
  int64_t logged_ms;
};

static void
note_child(int number)
{
  (void)number; /* it has ended the wait */
}

static bool
is_full(struct server const *server)
{
  return server->children >= server->limit;
}

/* Say why he is not served, as far as that does not hold us up. What he has
 * said is dropped first: a close with input unread is a reset, which can
 * overtake the reply. */
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

/* Who waits still would be reset with our end. A child that has not become what
 * it is to be just goes. */
static void
end(int number)
{
  (void)number;
  for (int n = 0; getpid() == accepting && n < LAST_MAX; n++) {
    int fd = accept(listening, NULL, NULL);
    if (fd < 0)
      break;
    refuse(fd, "421 4.3.2 Service shutting down\r\n");
    close(fd);
  }
  _exit(EXIT_DONE);
}

static void
start(struct server *server, int fd, struct sockaddr_storage const *from)
{
  tcpchild_refresh();
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
  sig_unblock(SIGCHLD);
  if (dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "set up the connection");
  tcpchild_run(server->child, from);
}

/* Take who has waited longest. 1, or 0: nobody waits. */
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
  if (errno == EAGAIN)
    return 0;
  if (errno != EINTR && errno != ECONNABORTED) {
    strerr_warnwusys("accept a connection");
    poll(NULL, 0, FAILED_MS);
  }
  return 1;
}

static void
make_room(struct server *server)
{
  uint32_t waiting, most, shed = 0;
  while (tcplisten_waiting(server->socket, &waiting, &most)) {
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
    if (server->children) /* who ran us may have left us one of his */
      server->children--;
}

/* Milliseconds until there may be more to log; -1: there is nothing. */
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
  struct pollfd fd = {is_full(server) ? -1 : server->socket, POLLIN, 0};
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  sigset_t none;
  sigemptyset(&none);
  ppoll(&fd, 1, milliseconds < 0 ? NULL : &time, &none);
}

void
tcpaccept(int socket, uint32_t limit, struct tcpchild const *child)
{
  struct server server = {.socket = socket,
                          .limit = limit,
                          .child = child,
                          .logged_ms = clock_ms() - LOG_MS};
  sig_block(SIGCHLD);
  sig_catch(SIGCHLD, note_child);
  listening = socket;
  accepting = getpid();
  sig_catch(SIGTERM, end);
  for (;;) {
    make_room(&server);
    reap(&server);
    int milliseconds = log_busy(&server);
    if (!is_full(&server) && take(&server, true))
      continue;
    wait_for_more(&server, is_full(&server) ? FULL_MS : milliseconds);
  }
}
