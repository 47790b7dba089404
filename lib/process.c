#include "lib/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include "lib/exitcode.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static void
close_from(unsigned int first)
{
  if (!syscall(SYS_close_range, first, ~0U, 0U))
    return;
  long most = sysconf(_SC_OPEN_MAX); /* a kernel before 5.9 */
  for (long fd = (long)first; fd < most && fd < 65536; fd++)
    close((int)fd);
}

void
process_begin(char const *program)
{
  PROG = program;
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
      _exit(EXIT_TEMPORARY);
  close_from(3);
  sig_ignore(SIGPIPE);
  sig_ignore(SIGXFSZ);
}
