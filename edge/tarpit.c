/* tarpit: has some clients wait for each answer. Specified in tarpit(8). */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/djbunix.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "edge/chain.h"
#include "edge/places.h"
#include "lib/clock.h"
#include "lib/connection.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "tarpit [-n most] [-s seconds] [-d directory] program [argument ...]"
#define SECONDS_MAX 600
#define DRAIN_MS 5000 /* for the client to take some of the last answer */

struct options {
  uint32_t most;
  uint32_t seconds;
  char const *directory;
};

/* One direction: what was read and not all written yet. */
struct way {
  int from;
  int to;
  int64_t delay_ms;
  int64_t due_ms; /* not written before; then, when some last was */
  size_t used;
  size_t written;
  bool ended;
  char bytes[4096];
};

/* Returns the index of the program. */
static int
read_options(struct options *options, int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "n:s:d:", &l)) != -1) {
    if (option == 'd')
      options->directory = l.arg;
    else if (option == 'n')
      options->most = option_number32("-n", l.arg, 1, PLACES_MAX);
    else if (option == 's')
      options->seconds = option_number32("-s", l.arg, 0, SECONDS_MAX);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  char const *seconds = getenv("TARPIT");
  if (argc <= l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (seconds)
    options->seconds = option_number32("$TARPIT", seconds, 0, SECONDS_MAX);
  return l.ind;
}

static void
tell(uint32_t seconds)
{
  struct log log;
  char const *ip = connection_variable("REMOTEIP");
  log_start(&log, "slow");
  log_string(&log, "ip", ip ? ip : "");
  log_number(&log, "seconds", seconds);
  log_write(&log);
}

/* Start the program on one end of a pair of sockets; the other end. */
static int
start(char **program, pid_t *pid)
{
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
    chain_fail("make", "a pair of sockets");
  *pid = fork();
  if (*pid < 0)
    chain_fail("start", program[0]);
  if (*pid == 0) {
    dup2(ends[1], 0);
    dup2(ends[1], 1);
    chain_run(program);
  }
  close(ends[1]);
  return ends[0];
}

/* What a way waits for. Returns how long nothing is to be done, in
 * milliseconds, or -1. */
static int
prepare(struct way const *way, struct pollfd *from, struct pollfd *to)
{
  int64_t left_ms = way->due_ms - clock_ms();
  *from = (struct pollfd){.fd = -1, .events = POLLIN};
  *to = (struct pollfd){.fd = -1, .events = POLLOUT};
  if (way->used && left_ms > 0)
    return (int)left_ms;
  if (way->used)
    to->fd = way->to;
  else if (!way->ended)
    from->fd = way->from;
  return -1;
}

static void
end(struct way *way)
{
  way->ended = true;
  way->used = 0;
  shutdown(way->to, SHUT_WR);
}

static bool
is_again(ssize_t n)
{
  return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void
move(struct way *way, struct pollfd const *from, struct pollfd const *to)
{
  if (from->revents) {
    ssize_t n = read(way->from, way->bytes, sizeof way->bytes);
    if (n > 0) {
      way->used = (size_t)n;
      way->written = 0;
      way->due_ms = clock_ms() + way->delay_ms;
    } else if (!is_again(n))
      end(way);
  }
  if (to->revents) {
    ssize_t n =
        write(way->to, way->bytes + way->written, way->used - way->written);
    if (n > 0) {
      way->written += (size_t)n;
      way->due_ms = clock_ms();
    } else if (!is_again(n))
      end(way);
    if (way->written == way->used)
      way->used = 0;
  }
}

/* Whether the client, who was just asked, has taken nothing for too long: we
 * may have been stopped meanwhile. */
static bool
is_stuck(struct way const *out, struct pollfd const *to)
{
  return out->used && to->fd >= 0 && !to->revents &&
         clock_ms() >= out->due_ms + DRAIN_MS;
}

/* Until the program's last answer is said, or nobody hears it. */
static void
relay(int program, uint32_t seconds)
{
  static struct way in, out;
  bool gone = false;
  in = (struct way){.from = 0, .to = program};
  out = (struct way){
      .from = program, .to = 1, .delay_ms = (int64_t)seconds * 1000};
  ndelay_on(0);
  ndelay_on(1);
  ndelay_on(program);
  struct pollfd polled[5] = {{.fd = -1}, {.fd = -1}, {.fd = -1}, {.fd = -1}};
  while (!out.ended && !(gone && is_stuck(&out, polled + 3))) {
    int of_in = prepare(&in, polled, polled + 1);
    int of_out = prepare(&out, polled + 2, polled + 3);
    int timeout_ms = of_in < 0 ? of_out : of_in;
    polled[4] = (struct pollfd){.fd = gone ? -1 : program};
    if (gone && timeout_ms < 0)
      timeout_ms = DRAIN_MS;
    if (poll(polled, 5, timeout_ms) < 0) {
      if (errno != EINTR)
        return;
      continue;
    }
    gone = gone || (polled[4].revents & POLLHUP);
    move(&in, polled, polled + 1);
    if (in.ended && out.delay_ms) { /* nobody waits, and a place is wanted */
      out.delay_ms = 0;
      out.due_ms = clock_ms();
    }
    move(&out, polled + 2, polled + 3);
  }
}

int
main(int argc, char **argv)
{
  struct options options = {100, 0, "tarpit"};
  int place, status;
  pid_t pid;
  process_begin("tarpit");
  int program = read_options(&options, argc, argv);
  enum places_result result = PLACES_FULL;
  if (options.seconds)
    result = places_take(options.directory, 0, options.most, &place);
  if (result == PLACES_FAILED)
    chain_fail("take a place in", options.directory);
  if (result == PLACES_FULL)
    chain_run(argv + program);
  tell(options.seconds);
  int fd = start(argv + program, &pid);
  relay(fd, options.seconds);
  close(fd);
  if (waitpid_nointr(pid, &status, 0) < 0)
    return EXIT_TEMPORARY;
  return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TEMPORARY;
}
