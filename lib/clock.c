#include "lib/clock.h"

#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool settled;

void
clock_settle(void)
{
  settled = true;
}

/* On every system that we know, struct timespec is that of the call. */
static struct timespec
read_clock(clockid_t id)
{
  struct timespec now;
  if (settled || syscall(SYS_clock_gettime, id, &now) < 0)
    clock_gettime(id, &now);
  return now;
}

int64_t
clock_ms(void)
{
  struct timespec now = read_clock(CLOCK_MONOTONIC);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
clock_utc(struct timespec *now)
{
  *now = read_clock(CLOCK_REALTIME);
}
