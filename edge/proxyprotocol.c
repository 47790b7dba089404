/* proxyprotocol: takes the client's address from the header of a proxy in
 * front of us. Specified in proxyprotocol(8). */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "edge/chain.h"
#include "edge/proxyheader.h"
#include "lib/clock.h"
#include "lib/connection.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE "proxyprotocol [-t seconds] program [argument ...]"
#define PROXIES_MAX 1024

static void
fail_control(void)
{
  strerr_warnw(control_error());
  chain_refuse("421 4.3.0 Service not available", EXIT_TEMPORARY);
}

/* Whether control/proxies has an address. */
static bool
is_proxy(char const *ip)
{
  char *entries[PROXIES_MAX + 1];
  bool is = false;
  int n = control_list("proxies", entries, sizeof entries / sizeof *entries);
  if (n < 0 && errno != ENOENT)
    fail_control();
  for (int i = 0; i < n; i++) {
    struct network network = {0};
    if (!network_scan(&network, entries[i])) {
      control_invalid("proxies", "neither an address nor a network");
      fail_control();
    }
    is = is || network_has(&network, ip);
  }
  return is;
}

static void
hang_up(char const *ip, char const *why)
{
  struct log log;
  log_start(&log, "no header");
  log_string(&log, "proxy", ip);
  log_string(&log, "why", why);
  log_write(&log);
  _exit(EXIT_DONE);
}

/* Wait for bytes of the client and read at most n. What is not there in time is
 * the end. */
static size_t
read_some(char const *ip, void *bytes, size_t n, int64_t deadline_ms)
{
  struct pollfd client = {.fd = 0, .events = POLLIN};
  for (;;) {
    int64_t left_ms = deadline_ms - clock_ms();
    int ready = poll(&client, 1, left_ms > 0 ? (int)left_ms : 0);
    if (ready == 0)
      hang_up(ip, "timeout");
    ssize_t got = ready < 0 ? -1 : read(0, bytes, n);
    if (got >= 0)
      return (size_t)got;
    if (errno != EINTR && errno != EAGAIN)
      hang_up(ip, strerror(errno));
  }
}

/* Read a header and not a byte of what is behind it. */
static void
read_header(struct proxyheader *header, char const *ip, uint32_t seconds)
{
  static unsigned char bytes[PROXYHEADER_MAX];
  int64_t deadline_ms = clock_ms() + (int64_t)seconds * 1000;
  size_t used = 0;
  int wants;
  while ((wants = proxyheader_wants(bytes, used)) > 0) {
    size_t got = read_some(ip, bytes + used, (size_t)wants, deadline_ms);
    if (got == 0 && used == 0) /* a proxy asks whether we are there */
      _exit(EXIT_DONE);
    if (got == 0)
      hang_up(ip, "eof");
    used += got;
  }
  if (wants < 0 || !proxyheader_parse(header, bytes, used))
    hang_up(ip, "garbage");
}

/* value NULL: unset. */
static void
set(char const *proto, char const *name, char const *value)
{
  char variable[64];
  if ((size_t)snprintf(variable, sizeof variable, "%s%s", proto, name) >=
      sizeof variable)
    return;
  if (value ? setenv(variable, value, 1) < 0 : unsetenv(variable) < 0)
    chain_fail("set", variable);
}

/* The variables that a UCSPI server sets for one protocol. */
static void
set_all(char const *proto, struct proxyheader const *header)
{
  char port[6];
  set(proto, "REMOTEIP", header->remote_ip);
  set(proto, "LOCALIP", header->local_ip);
  sprintf(port, "%u", (unsigned int)header->remote_port);
  set(proto, "REMOTEPORT", port);
  sprintf(port, "%u", (unsigned int)header->local_port);
  set(proto, "LOCALPORT", port);
  set(proto, "REMOTEHOST", NULL);
  set(proto, "REMOTEINFO", NULL);
  set(proto, "LOCALHOST", NULL);
}

static void
take_header(char const *ip, uint32_t seconds)
{
  struct proxyheader header;
  char const *proto = getenv("PROTO");
  read_header(&header, ip, seconds);
  if (!header.known)
    return;
  set("XNOTE_", "proxy", ip);
  set_all("TCP", &header);
  if (proto && *proto && strcmp(proto, "TCP") != 0)
    set_all(proto, &header);
}

int
main(int argc, char **argv)
{
  uint32_t seconds = 10;
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  process_begin("proxyprotocol");
  while ((option = subgetopt_r(argc, (char const *const *)argv, "t:", &l)) !=
         -1)
    if (option == 't')
      seconds = option_number32("-t", l.arg, 1, 3600);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (argc <= l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  char const *ip = connection_variable("REMOTEIP");
  if (ip && is_proxy(ip))
    take_header(ip, seconds);
  chain_run(argv + l.ind);
}
