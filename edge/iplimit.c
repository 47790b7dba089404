/* iplimit: so many connections at once of a client's network. Specified in
 * iplimit(8). */
#include <stdlib.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "edge/chain.h"
#include "edge/places.h"
#include "lib/connection.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "iplimit -c most [-4 bits] [-6 bits] [-d directory] program [argument ...]"

struct options {
  uint32_t most;
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
                               "c:4:6:d:", &l)) != -1) {
    if (option == 'd')
      options->directory = l.arg;
    else if (option == 'c')
      options->most = option_number32("-c", l.arg, 1, PLACES_MAX);
    else if (!chain_bits_option(&options->bits, option, l.arg))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (!options->most || argc <= l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return l.ind;
}

static void
refuse(struct network const *network, uint32_t most)
{
  struct log log;
  char text[NETWORK_TEXT_MAX];
  network_text(network, text);
  log_start(&log, "refused");
  log_string(&log, "ip", connection_variable("REMOTEIP"));
  log_string(&log, "network", text);
  log_number(&log, "most", most);
  log_write(&log);
  chain_refuse("421 4.7.0 Too many connections from your network", EXIT_DONE);
}

/* Give the lock to the programs after us, at descriptor 3 or behind those of
 * others before us. */
static void
keep(int fd)
{
  unsigned int locks = process_locks();
  char text[] = {(char)('0' + (locks + 1) / 10), (char)('0' + (locks + 1) % 10),
                 0};
  if (locks == PROCESS_LOCKS_MAX || fd != 3 + (int)locks ||
      setenv("IPLIMIT", text, 1) < 0)
    chain_fail("keep the lock of", "the client");
}

int
main(int argc, char **argv)
{
  struct options options = {0, {24, 56}, "iplimit"};
  struct network network = {0};
  process_begin("iplimit");
  int program = read_options(&options, argc, argv);
  if (chain_network(&network, &options.bits)) {
    int fd;
    enum places_result result = places_take(
        options.directory, network_hash(&network), options.most, &fd);
    if (result == PLACES_FAILED)
      chain_fail("take a place in", options.directory);
    if (result == PLACES_FULL)
      refuse(&network, options.most);
    keep(fd);
  }
  chain_run(argv + program);
}
