#include "smtpd/tcppriority.h"

#include <sys/resource.h>

static int own;
static struct rlimit limit;
static bool hurries;

void
tcppriority_begin(void)
{
  own = getpriority(PRIO_PROCESS, 0);
  getrlimit(RLIMIT_NICE, &limit);
  struct rlimit raised = {20 - TCPPRIORITY_HURRY, limit.rlim_max};
  if (raised.rlim_max < raised.rlim_cur)
    raised.rlim_max = raised.rlim_cur;
  setrlimit(RLIMIT_NICE, &raised);
}

void
tcppriority_set(bool hurry)
{
  if (hurry != hurries && own > TCPPRIORITY_HURRY)
    setpriority(PRIO_PROCESS, 0, hurry ? TCPPRIORITY_HURRY : own);
  hurries = hurry;
}

void
tcppriority_restore(void)
{
  tcppriority_set(false);
  setrlimit(RLIMIT_NICE, &limit);
}
