/* earlytalk: waits before the greeting and notes who does not. Specified in
 * earlytalk(8). */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "edge/chain.h"
#include "lib/clock.h"
#include "lib/connection.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE "earlytalk [-r] [-w seconds] program [argument ...]"
#define NOTE "XNOTE_earlytalk"
#define TEXT_MAX 64 /* bytes of the client's that are logged */

struct early {
  uint32_t milliseconds; /* since we began */
  ssize_t n;             /* 0: the client is gone; -1: text cannot be seen */
  char text[TEXT_MAX];
};

/* Whether the client says something, or goes, before the time is over. Nothing
 * is read. */
static bool
waits(struct early *early, uint32_t wait_ms)
{
  struct pollfd client = {.fd = 0, .events = POLLIN};
  int64_t began_ms = clock_ms();
  for (;;) {
    int64_t past_ms = clock_ms() - began_ms;
    int ready =
        past_ms < wait_ms ? poll(&client, 1, (int)(wait_ms - past_ms)) : 0;
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready <= 0)
      return true;
    early->milliseconds = (uint32_t)(clock_ms() - began_ms);
    early->n =
        recv(0, early->text, sizeof early->text, MSG_PEEK | MSG_DONTWAIT);
    if (early->n < 0 && errno != ENOTSOCK)
      early->n = 0;
    return false;
  }
}

static void
tell(char const *event, struct early const *early)
{
  struct log log;
  char const *ip = connection_variable("REMOTEIP");
  log_start(&log, event);
  log_string(&log, "ip", ip ? ip : "");
  log_seconds(&log, "seconds", early->milliseconds);
  if (early->n > 0)
    log_said(&log, "text", early->text, (size_t)early->n);
  log_write(&log);
}

/* "S.mmm" */
static void
note(struct early const *early)
{
  char text[UINT32_FMT + 4];
  size_t n = uint32_fmt(text, early->milliseconds / 1000);
  text[n++] = '.';
  uint320_fmt(text + n, early->milliseconds % 1000, 3);
  text[n + 3] = 0;
  if (setenv(NOTE, text, 1) < 0)
    chain_fail("set", NOTE);
}

/* Seconds, with up to three digits behind a dot: at most 600. */
static bool
scan_seconds(char const *text, uint32_t *milliseconds)
{
  uint32_t whole, part = 0, unit = 1000;
  size_t n = uint32_scan(text, &whole);
  if (n == 0 || whole > 600)
    return false;
  if (text[n] == '.' && text[n + 1])
    for (n++; text[n] >= '0' && text[n] <= '9' && unit > 1; n++) {
      unit /= 10;
      part += (uint32_t)(text[n] - '0') * unit;
    }
  *milliseconds = whole * 1000 + part;
  return !text[n] && *milliseconds > 0 && *milliseconds <= 600000;
}

int
main(int argc, char **argv)
{
  struct early early = {0};
  uint32_t wait_ms = 1000;
  bool refuses = false;
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  process_begin("earlytalk");
  while ((option = subgetopt_r(argc, (char const *const *)argv, "rw:", &l)) !=
         -1) {
    if (option == 'r')
      refuses = true;
    else if (option != 'w')
      strerr_dieusage(EXIT_PERMANENT, USAGE);
    else if (!scan_seconds(l.arg, &wait_ms))
      option_refuse("-w", "seconds, 0.001 to 600", l.arg);
  }
  if (argc <= l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (waits(&early, wait_ms))
    chain_run(argv + l.ind);
  if (early.n == 0) {
    tell("gone", &early);
    return EXIT_DONE;
  }
  tell(refuses ? "refused" : "early", &early);
  if (refuses)
    chain_refuse("554 5.5.1 You spoke before the greeting", EXIT_DONE);
  note(&early);
  chain_run(argv + l.ind);
}
