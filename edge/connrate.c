/* connrate: so many connections a minute of a client's network. Specified in
 * connrate(8). */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "edge/chain.h"
#include "edge/history.h"
#include "lib/clock.h"
#include "lib/connection.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "connrate -n most [-s seconds] [-4 bits] [-6 bits] [-d directory] program "  \
  "[argument ...]"
#define SETS 2048

struct options {
  uint32_t most;
  uint32_t seconds;
  struct chain_bits bits;
  char const *directory;
};

/* Returns the index of the program. */
static int
read_options(struct options *options, int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "n:s:4:6:d:", &l)) != -1) {
    if (option == 'd')
      options->directory = l.arg;
    else if (option == 'n')
      options->most = option_number32("-n", l.arg, 1, HISTORY_INSTANTS_MAX);
    else if (option == 's')
      options->seconds = option_number32("-s", l.arg, 1, 86400);
    else if (!chain_bits_option(&options->bits, option, l.arg))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (!options->most || argc <= l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return l.ind;
}

/* There is a file for each number of instants: what another limit has written
 * has another form. */
static void
open_history(struct history *history, struct options const *options)
{
  char path[4096];
  if ((size_t)snprintf(path, sizeof path, "%s/last%u", options->directory,
                       options->most) >= sizeof path) {
    errno = ENAMETOOLONG;
    chain_fail("use", options->directory);
  }
  int result = history_open(history, path, SETS, options->most);
  if (result < 0 && errno == ENOENT &&
      (mkdir(options->directory, 0700) == 0 || errno == EEXIST))
    result = history_open(history, path, SETS, options->most);
  if (result < 0)
    chain_fail("open", path);
}

static int64_t
now_ms(void)
{
  struct timespec now;
  clock_utc(&now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the network may have one more; if so, that is counted. An instant
 * that is to come is from before the clock was set back. */
static bool
may_come(struct options const *options, struct network const *network)
{
  struct history history;
  open_history(&history, options);
  if (history_lock(&history) < 0)
    chain_fail("lock", options->directory);
  int64_t now = now_ms();
  struct history_entry *entry = history_get(&history, network);
  int64_t then = entry ? history_instant(&history, entry, options->most) : 0;
  bool may = then <= now - (int64_t)options->seconds * 1000 || then > now;
  if (entry && may)
    history_add(&history, entry, now);
  history_unlock(&history);
  return may;
}

static void
refuse(struct options const *options, struct network const *network)
{
  struct log log;
  char text[NETWORK_TEXT_MAX];
  network_text(network, text);
  log_start(&log, "refused");
  log_string(&log, "ip", connection_variable("REMOTEIP"));
  log_string(&log, "network", text);
  log_number(&log, "most", options->most);
  log_number(&log, "seconds", options->seconds);
  log_write(&log);
  chain_refuse("421 4.7.0 Too many connections from your network, come later",
               EXIT_DONE);
}

int
main(int argc, char **argv)
{
  struct options options = {0, 60, {24, 56}, "connrate"};
  struct network network = {0};
  process_begin("connrate");
  int program = read_options(&options, argc, argv);
  if (chain_network(&network, &options.bits) && !may_come(&options, &network))
    refuse(&options, &network);
  chain_run(argv + program);
}
