#include "lib/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <skalibs/sig.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "lib/exitcode.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define ON_EXEC (1U << 2) /* CLOSE_RANGE_CLOEXEC */

static void
close_from(unsigned int first, unsigned int flags)
{
  if (!syscall(SYS_close_range, first, ~0U, flags))
    return;
  long most = sysconf(_SC_OPEN_MAX); /* a kernel before 5.9, or 5.11 */
  for (long fd = (long)first; fd < most && fd < 65536; fd++)
    if (flags)
      fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    else
      close((int)fd);
}

unsigned int
process_locks(void)
{
  char const *text = getenv("IPLIMIT");
  unsigned int locks, most;
  struct stat file;
  if (!text || !uint0_scan(text, &most) || most > PROCESS_LOCKS_MAX)
    return 0;
  for (locks = 0; locks < most; locks++)
    if (fstat(3 + (int)locks, &file) < 0 || !S_ISREG(file.st_mode))
      break;
  return locks;
}

static void
begin(char const *program)
{
  PROG = program;
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
      _exit(EXIT_TEMPORARY);
  sig_ignore(SIGPIPE);
  sig_ignore(SIGXFSZ);
  sig_restore(SIGCHLD); /* ignored, it would take our children's exit codes */
}

void
process_begin(char const *program)
{
  begin(program);
  unsigned int locks = process_locks();
  for (unsigned int i = 0; i < locks; i++)
    fcntl(3 + (int)i, F_SETFD, FD_CLOEXEC);
  close_from(3 + locks, 0);
}

void
process_begin_holding(char const *program)
{
  begin(program);
  close_from(3, ON_EXEC);
}

void
process_close(unsigned int first)
{
  close_from(first, 0);
}

void
process_on_end(void (*handler)(int number))
{
  static int const signals[] = {SIGTERM, SIGINT, SIGHUP};
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    sigaction(signals[i], &action, NULL);
}
