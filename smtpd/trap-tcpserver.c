/* trap-tcpserver: a UCSPI server that has trap-smtpd built in. Specified in
 * trap-tcpserver(8). */
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "smtpd/tcpaccept.h"
#include "smtpd/tcpaddress.h"
#include "smtpd/tcplisten.h"
#include "smtpd/tcppriority.h"

#define USAGE                                                                  \
  "trap-tcpserver [-1DHOPQRUXqsv] [-b backlog] [-c limit] [-g gid] [-l "       \
  "name] [-u uid] [-x rules.cdb] address port program [argument ...]"

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

static void __attribute__((noreturn))
die_of_option(int option, char const *what)
{
  char name[] = {'-', (char)option, 0};
  strerr_dief(EXIT_PERMANENT, name, " ", what);
}

static uint32_t
number(char const *name, char const *text)
{
  return option_number32(name, text, 1, INT32_MAX);
}

/* As envuidgid(8) says. */
static void
read_account(struct options *options)
{
  char const *uid = getenv("UID"), *gid = getenv("GID");
  if (!uid || !gid)
    die_of_option('U', "wants $UID and $GID");
  options->uid = number("$UID", uid);
  options->gid = number("$GID", gid);
}

static void
read_option(struct options *options, int option, char const *argument)
{
  switch (option) {
  case '1':
    options->print_port = true;
    break;
  case 'b':
    options->backlog = number("-b", argument);
    break;
  case 'c':
    options->limit = number("-c", argument);
    break;
  case 'g':
    options->gid = number("-g", argument);
    break;
  case 'l':
    options->name = argument;
    break;
  case 'u':
    options->uid = number("-u", argument);
    break;
  case 's':
    options->child.single = true;
    break;
  case 'U':
    read_account(options);
    break;
  case 'X':
    options->child.rules_optional = true;
    break;
  case 'x':
    options->child.rules = argument;
    break;
  }
}

static void
read_options(struct options *options, int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "1DHOPQRUXqsvb:c:g:l:u:x:", &l)) != -1)
    if (option != '?')
      read_option(options, option, l.arg);
    else if (l.problem && strchr("46BIdhoprt", l.problem))
      die_of_option(l.problem, "is tcpserver's alone: see trap-tcpserver(8)");
    else
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

static void
drop_privileges(struct options const *options)
{
  gid_t gid = options->gid;
  if (gid && (setgroups(1, &gid) < 0 || setgid(gid) < 0))
    strerr_diefusys(EXIT_TEMPORARY, "set the group");
  if (options->uid && setuid(options->uid) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "set the user");
}

/* That clients can come; then who reads it is told that there is no more. */
static void
announce(struct options const *options, int socket)
{
  struct log log;
  char text[INET6_ADDRSTRLEN];
  struct sockaddr_storage name;
  socklen_t size = sizeof name;
  if (getsockname(socket, (struct sockaddr *)&name, &size) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "get the address of the socket");
  struct tcpaddress address = tcpaddress_of(&name);
  tcpaddress_text(&address, text);
  log_start(&log, "started");
  log_string(&log, "ip", text);
  log_number(&log, "port", address.port);
  log_number(&log, "limit", options->limit);
  log_write(&log);
  if (options->print_port) {
    size_t n = uint32_fmt(text, address.port);
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
  struct options options = {.backlog = 65535, .limit = 40};
  process_begin_holding("trap-tcpserver");
  read_options(&options, argc, argv);
  int socket = listen_at(&options);
  tcppriority_begin();
  drop_privileges(&options);
  if (!tcpchild_begin(&options.child, options.name))
    strerr_dief(EXIT_PERMANENT, "too many environment variables, or a name of "
                                "more than 255 bytes");
  announce(&options, socket);
  tcpaccept(socket, options.limit, &options.child);
}
