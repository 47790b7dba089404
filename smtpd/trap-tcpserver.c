/* trap-tcpserver: a UCSPI server that has trap-smtpd built in. Specified in
 * trap-tcpserver(8). */
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "lib/exitcode.h"
#include "lib/process.h"
#include "smtpd/tcpaccept.h"
#include "smtpd/tcpaddress.h"
#include "smtpd/tcplisten.h"

#define USAGE                                                                  \
  "trap-tcpserver [-1HRX] [-b backlog] [-c limit] [-g gid] [-l name] "         \
  "[-u uid] [-x rules.cdb] address port program [argument ...]"

struct options {
  uint32_t backlog;
  uint32_t limit;
  uint32_t gid;
  uint32_t uid;
  bool print_port;
  char const *name;
  char const *address;
  char const *port;
  struct tcpchild child;
};

static bool
read_number(struct options *options, int option, char const *text)
{
  uint32_t *number = option == 'b'   ? &options->backlog
                     : option == 'c' ? &options->limit
                     : option == 'g' ? &options->gid
                                     : &options->uid;
  return uint320_scan(text, number) && *number && *number <= INT32_MAX;
}

static bool
read_option(struct options *options, int option, char const *argument)
{
  switch (option) {
  case '1':
    options->print_port = true;
    return true;
  case 'X':
    options->child.rules_optional = true;
    return true;
  case 'x':
    options->child.rules = argument;
    return true;
  case 'l':
    options->name = argument;
    return true;
  case 'b':
  case 'c':
  case 'g':
  case 'u':
    return read_number(options, option, argument);
  default: /* -H and -R: what others do without them is not done here */
    return option == 'H' || option == 'R';
  }
}

static void
read_options(struct options *options, int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "1HRXb:c:g:l:u:x:", &l)) != -1)
    if (!read_option(options, option, l.arg))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (argc - l.ind < 3)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  options->address = argv[l.ind];
  options->port = argv[l.ind + 1];
  options->child.program = argv + l.ind + 2;
}

static int
listen_at(struct options const *options)
{
  struct sockaddr_storage address;
  if (!tcplisten_address(options->address, options->port, &address))
    strerr_dief(EXIT_PERMANENT, "want an address in numbers, and a port, not ",
                options->address, " ", options->port);
  int fd = tcplisten(&address, (int)options->backlog);
  if (fd < 0)
    strerr_diefusys(EXIT_TEMPORARY, "listen at ", options->address, " ",
                    options->port);
  return fd;
}

/* Root may see to it that we can raise our priority later; who is not, does
 * without. */
static void
drop_privileges(struct options *options)
{
  struct rlimit hurry;
  gid_t gid = options->gid;
  options->child.priority = getpriority(PRIO_PROCESS, 0);
  getrlimit(RLIMIT_NICE, &options->child.nice);
  hurry = options->child.nice;
  hurry.rlim_cur = 20 - TCPACCEPT_PRIORITY;
  if (hurry.rlim_max < hurry.rlim_cur)
    hurry.rlim_max = hurry.rlim_cur;
  setrlimit(RLIMIT_NICE, &hurry);
  if (gid && (setgroups(1, &gid) < 0 || setgid(gid) < 0))
    strerr_diefusys(EXIT_TEMPORARY, "set the group");
  if (options->uid && setuid(options->uid) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "set the user");
}

/* For -1; then descriptors 0 and 1 are a client's in each child. */
static void
leave_terminal(struct options const *options, int socket)
{
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  if (options->print_port &&
      !getsockname(socket, (struct sockaddr *)&address, &size)) {
    char text[8];
    size_t n = uint32_fmt(text, tcpaddress_of(&address).port);
    text[n] = '\n';
    allwrite(1, text, n + 1);
  }
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "open /dev/null");
  close(null);
}

int
main(int argc, char **argv)
{
  struct options options = {.backlog = 20, .limit = 40};
  process_begin("trap-tcpserver");
  read_options(&options, argc, argv);
  int socket = listen_at(&options);
  drop_privileges(&options);
  leave_terminal(&options, socket);
  if (!tcpchild_begin(&options.child, options.name))
    strerr_dief(EXIT_PERMANENT, "too many environment variables, or a name of "
                                "more than 255 bytes");
  tcpaccept(socket, options.limit, &options.child);
}
