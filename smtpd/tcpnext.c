#include "smtpd/tcpnext.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <skalibs/sig.h>

#include "lib/clock.h"
#include "lib/process.h"

#define LISTENING 3
#define AGE_MS 1000 /* no other client later than that */

static int64_t began_ms;
static int waiting; /* an epoll descriptor; empty but in wait_for_one() */
static volatile sig_atomic_t stopped;

/* On SIGUSR1: the parent is gone. */
static void
stop_listening(int number)
{
  (void)number;
  if (!stopped)
    close(LISTENING);
  stopped = 1;
}

void
tcpnext_begin(int listening, pid_t parent)
{
  if (listening != LISTENING)
    dup3(listening, LISTENING, O_CLOEXEC);
  process_close(LISTENING + 1);
  waiting = epoll_create1(EPOLL_CLOEXEC);
  began_ms = clock_ms();
  sig_catch(SIGUSR1, stop_listening);
  prctl(PR_SET_PDEATHSIG, SIGUSR1);
  if (getppid() != parent)
    stop_listening(SIGUSR1);
}

/* Wait for a client: of all children that do, one is woken, and the parent,
 * who sees to it that none is left waiting. The socket is watched for that time
 * only, as each who watches it costs every client some time. Whether one may
 * have come. */
static bool
wait_for_one(int milliseconds, int news)
{
  struct epoll_event event = {.events = EPOLLIN, .data.fd = news};
  sigset_t none;
  sigemptyset(&none);
  if (news >= 0) /* it may be there from the last time */
    epoll_ctl(waiting, EPOLL_CTL_ADD, news, &event);
  event = (struct epoll_event){EPOLLIN | EPOLLEXCLUSIVE, .data.fd = LISTENING};
  epoll_ctl(waiting, EPOLL_CTL_ADD, LISTENING, &event);
  int n = epoll_pwait(waiting, &event, 1, milliseconds, &none);
  epoll_ctl(waiting, EPOLL_CTL_DEL, LISTENING, NULL);
  return n > 0 && event.data.fd == LISTENING;
}

bool
tcpnext_take(struct sockaddr_storage *from, int milliseconds, int news)
{
  while (!stopped && clock_ms() - began_ms < AGE_MS) {
    socklen_t size = sizeof *from;
    int fd = accept(LISTENING, (struct sockaddr *)from, &size);
    if (fd >= 0)
      return fd == 0 && dup2(fd, 1) == 1;
    if (errno != EINTR && errno != ECONNABORTED &&
        (errno != EAGAIN || !wait_for_one(milliseconds, news)))
      return false;
  }
  return false;
}
