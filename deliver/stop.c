#include "deliver/stop.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static sigset_t
signals(void)
{
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

void
stop_begin(void)
{
  sigset_t set = signals();
  sigprocmask(SIG_BLOCK, &set, NULL);
}

bool
stop_wanted(uint32_t wait_s)
{
  static bool wanted;
  sigset_t set = signals();
  struct timespec wait = {.tv_sec = (time_t)wait_s};
  int error = errno;
  /* Another signal, a SIGCONT say, only makes the wait shorter. */
  wanted = wanted || sigtimedwait(&set, NULL, &wait) > 0;
  errno = error;
  return wanted;
}
