/* iplimit: so many connections at once of a client's network. Specified in
 * iplimit(8). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "edge/chain.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "iplimit -c most [-4 bits] [-6 bits] [-d directory] program [argument ...]"
#define MOST_SHIFT 12 /* a network has 4096 bytes of a file's 2^63 */

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
    else if (option == 'c'
                 ? !chain_number(l.arg, 1, 1U << MOST_SHIFT, &options->most)
                 : !chain_bits_option(&options->bits, option, l.arg))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (!options->most || argc <= l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return l.ind;
}

/* The file that has a network's locks. There are 256, so that the kernel need
 * not look through all locks of all networks. */
static int
open_file(char const *directory, uint64_t hash)
{
  char path[4096];
  if ((size_t)snprintf(path, sizeof path, "%s/%02x", directory,
                       (unsigned int)(hash & 0xff)) >= sizeof path) {
    errno = ENAMETOOLONG;
    chain_fail("use", directory);
  }
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == ENOENT && mkdir(directory, 0700) == 0)
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    chain_fail("open", path);
  return fd;
}

/* Lock one of a network's bytes that nobody has; false: all are locked. The
 * first try is anywhere, so that few tries are needed. */
static bool
take_place(int fd, uint64_t hash, uint32_t most)
{
  uint32_t first = (uint32_t)getpid() % most;
  for (uint32_t i = 0; i < most; i++) {
    struct flock place = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    place.l_start = (off_t)((hash >> 14 << MOST_SHIFT) + (first + i) % most);
    if (fcntl(fd, F_OFD_SETLK, &place) == 0)
      return true;
    if (errno != EAGAIN && errno != EACCES)
      chain_fail("lock a place for", "the client");
  }
  return false;
}

static void
refuse(struct network const *network, uint32_t most)
{
  struct log log;
  char text[NETWORK_TEXT_MAX];
  network_text(network, text);
  log_start(&log, "refused");
  log_string(&log, "ip", chain_variable("REMOTEIP"));
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
    uint64_t hash = network_hash(&network);
    int fd = open_file(options.directory, hash);
    if (!take_place(fd, hash, options.most))
      refuse(&network, options.most);
    keep(fd);
  }
  chain_run(argv + program);
}
