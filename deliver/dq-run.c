/* dq-run: the worker of a directory queue: its jobs go through a pipeline.
 * dq-run(8), trapline-queue(5). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "deliver/aside.h"
#include "deliver/worker.h"
#include "lib/address.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/jobqueue.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/stagelist.h"

#define USAGE                                                                  \
  "dq-run [-o] [-j jobs] [-t seconds] [-b seconds] [-B seconds] [-n tries] "   \
  "[-a seconds] [-r name] [-R address] [-i seconds] [-l seconds] "             \
  "[-L seconds] [-g seconds] [-H host] directory [program [argument ...]]"

#define SLOTS_MAX 1000
#define EVENTS 64
#define SECONDS_MAX 1000000000

struct options {
  uint64_t slots;
  uint64_t lifetime_s, remote_s;
  uint64_t limit_s, rescan_s, grace_s;
  uint64_t first_s, most_s, tries, age_s;
  bool ordered;
  char const *refused, *recipient, *host;
};

/* A directory of the queue that is not one of its own. */
static char const *
directory_name(char const *text)
{
  if (!aside_is_name(text) || !strcmp(text, RETRY_DIRECTORY) ||
      strchr(text, '\n') || strlen(text) > 64)
    option_refuse("-r", "the name of a directory, none of the queue's own",
                  text);
  return text;
}

static char const *
recipient(char const *text)
{
  struct address address;
  size_t n = strlen(text);
  if (!n || address_parse(text, n, ADDRESS_LAX, &address) != n ||
      !address.length || strcmp(address.text, text))
    option_refuse("-R", "an address", text);
  return text;
}

static void
read_option(struct options *options, int option, char const *text)
{
  struct {
    int letter;
    uint64_t least, most, *value;
  } const numbers[] = {
      {'j', 1, SLOTS_MAX, &options->slots},
      {'t', 1, SECONDS_MAX, &options->limit_s},
      {'b', 1, SECONDS_MAX, &options->first_s},
      {'B', 1, SECONDS_MAX, &options->most_s},
      {'n', 1, SECONDS_MAX, &options->tries},
      {'a', 1, SECONDS_MAX, &options->age_s},
      {'i', 1, SECONDS_MAX, &options->rescan_s},
      {'l', 1, SECONDS_MAX, &options->lifetime_s},
      {'L', 0, SECONDS_MAX, &options->remote_s},
      {'g', 0, SECONDS_MAX, &options->grace_s},
  };
  char name[] = {'-', (char)option, 0};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i].letter == option) {
      *numbers[i].value =
          option_number(name, text, numbers[i].least, numbers[i].most);
      return;
    }
  if (option == 'o')
    options->ordered = true;
  else if (option == 'r')
    options->refused = directory_name(text);
  else if (option == 'R')
    options->recipient = recipient(text);
  else if (option == 'H' && text[0])
    options->host = text;
  else
    strerr_dieusage(EXIT_PERMANENT, USAGE);
}

/* Returns the index of the first argument that is no option. */
static int
read_options(struct options *options, int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "oj:t:b:B:n:a:r:R:i:l:L:g:H:", &l)) != -1)
    read_option(options, option, l.arg);
  if (argc <= l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (options->most_s < options->first_s)
    options->most_s = options->first_s;
  return l.ind;
}

static void
set_up(struct worker *worker, struct options const *options,
       char const *directory)
{
  jobqueue_insist(directory);
  if (jobtaker_start(&worker->taker, directory, options->host) == -1)
    strerr_diefusys(EXIT_PERMANENT, "use directory ", directory);
  worker->taker.locker.lifetime_s = (int64_t)options->lifetime_s;
  worker->taker.locker.remote_s = (int64_t)options->remote_s;
  worker->rules =
      (struct retry_rules){(int64_t)options->first_s, (int64_t)options->most_s,
                           options->tries, (int64_t)options->age_s};
  worker->recipient = options->recipient;
  worker->refused = options->refused;
  worker->limit_ms = (int64_t)options->limit_s * 1000;
  worker->rescan_ms = (int64_t)options->rescan_s * 1000;
  worker->slots = options->slots;
  worker->slot = calloc(options->slots, sizeof *worker->slot);
  if (!worker->slot)
    strerr_diefusys(EXIT_TEMPORARY, "get memory");
  joblist_start(&worker->list, options->ordered);
  worker->list.fans = true;
}

static void
trap_signals(struct worker const *worker)
{
  int fd = selfpipe_init();
  struct epoll_event event = {.events = EPOLLIN,
                              .data.u64 = worker_data(WORKER_SIGNAL, 0)};
  if (fd < 0 || !selfpipe_trap(SIGCHLD) || !selfpipe_trap(SIGHUP) ||
      !selfpipe_trap(SIGTERM) || !selfpipe_trap(SIGINT) ||
      epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "trap signals");
}

static void
take_signals(struct worker *worker)
{
  for (;;) {
    switch (selfpipe_read()) {
    case SIGCHLD:
      worker_reap(worker);
      break;
    case SIGHUP:
      worker_renew(worker);
      break;
    case SIGTERM:
    case SIGINT:
      worker->stopping = true;
      break;
    default:
      return;
    }
  }
}

static void
take_event(struct worker *worker, uint64_t data)
{
  enum worker_event event = (enum worker_event)(data >> 32);
  switch (event) {
  case WORKER_SIGNAL:
    take_signals(worker);
    break;
  case WORKER_CHANGE:
    worker_change(worker);
    break;
  case WORKER_HEAD:
  case WORKER_TAIL:
    worker_slot(worker, event, (uint32_t)data);
    break;
  }
}

/* Until all that was in hand is done with after a SIGTERM, or grace_ms later.
 */
static void
serve(struct worker *worker, int64_t grace_ms)
{
  struct epoll_event events[EVENTS];
  int64_t end_ms = INT64_MAX;
  for (;;) {
    int64_t left_ms = worker_tick(worker);
    if (worker->stopping && end_ms == INT64_MAX)
      end_ms = worker->now_ms + grace_ms;
    if (worker->stopping && (!worker_busy(worker) || worker->now_ms >= end_ms))
      return;
    if (worker->stopping && end_ms - worker->now_ms < left_ms)
      left_ms = end_ms - worker->now_ms;
    int timeout = left_ms <= 0 ? 0 : left_ms > 3600000 ? 3600000 : (int)left_ms;
    int n = epoll_wait(worker->epoll, events, EVENTS, timeout);
    if (n < 0 && errno != EINTR)
      strerr_diefusys(EXIT_TEMPORARY, "wait for events");
    worker->now_ms = clock_ms();
    for (int i = 0; i < n; i++)
      take_event(worker, events[i].data.u64);
  }
}

int
main(int argc, char **argv)
{
  struct log log;
  static struct worker worker;
  struct options options = {.slots = 1,
                            .lifetime_s = 600,
                            .limit_s = 300,
                            .rescan_s = 30,
                            .grace_s = 20,
                            .first_s = RETRY_FIRST_S,
                            .most_s = RETRY_MOST_S,
                            .tries = RETRY_TRIES_MOST,
                            .age_s = RETRY_AGE_S,
                            .recipient = "postmaster"};
  process_begin("dq-run");
  int first = read_options(&options, argc, argv);
  set_up(&worker, &options, argv[first]);
  worker.stages = stagelist_read(first + 1 < argc ? argv + first + 1 : NULL);
  if (!worker.stages)
    strerr_dief(EXIT_TEMPORARY, control_error());
  if (worker_start(&worker) == -1)
    strerr_diefusys(EXIT_TEMPORARY, worker.taker.queue.failure.action, " ",
                    worker.taker.queue.failure.path);
  trap_signals(&worker);
  log_start(&log, "started");
  log_string(&log, "queue", argv[first]);
  log_number(&log, "jobs", worker.slots);
  log_write(&log);
  serve(&worker, (int64_t)options.grace_s * 1000);
  worker_end(&worker);
  log_start(&log, "stopped");
  log_write(&log);
  return EXIT_DONE;
}
