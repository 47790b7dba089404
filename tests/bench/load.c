/* load: SMTP clients for tests/bench, all of them in one process. tests/bench's
 * README has its options and what it prints. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/load.h"

#define USAGE                                                                  \
  "usage: load [-c clients] [-m messages-a-connection] [-n most] "             \
  "[-l bytes] [-t ms] [-b ms-between-bursts] [-i] port"
#define EVENTS 256
/* So long without any answer: no more is waited for. A connection that finds
 * no place is tried again by the kernel after 1, 3, 7, 15 and 31 seconds. */
#define STALL_MS 5000
#define BURST_STALL_MS 35000
#define OPENING 200 /* idle clients connect so many at once */
#define LINE_BYTES 78

static volatile sig_atomic_t told_to_end;

static void
end(int number)
{
  (void)number;
  told_to_end = 1;
}

static void
die(char const *text)
{
  fprintf(stderr, "load: fatal: %s\n", text);
  exit(100);
}

/* A message of so many bytes as they are sent, then the dot. */
static void
make_body(struct plan *plan, size_t bytes)
{
  static char const header[] = "From: <sender@client.example>\r\n"
                               "To: <user@trap.example>\r\n"
                               "Subject: load\r\n\r\n";
  size_t at = sizeof header - 1;
  if (bytes < at + 2)
    bytes = at + 2;
  char *body = malloc(bytes + 4);
  if (!body)
    die("out of memory");
  memcpy(body, header, at);
  memset(body + at, 'x', bytes - at);
  for (size_t i = at + LINE_BYTES; i + 2 <= bytes - 2; i += LINE_BYTES + 2)
    memcpy(body + i, "\r\n", 2);
  memcpy(body + bytes - 2, "\r\n.\r\n", 5);
  plan->body = body;
  plan->body_bytes = bytes + 3;
}

static uint64_t
number(char const *text)
{
  char *rest;
  unsigned long long value = strtoull(text, &rest, 10);
  if (rest == text || *rest || value > 1000000000)
    die(USAGE);
  return value;
}

static struct plan
read_options(int argc, char **argv)
{
  struct plan plan = {.clients = 20, .a_connection = 1, .run_ms = 600000};
  size_t bytes = 4096;
  int option;
  while ((option = getopt(argc, argv, "c:m:n:l:t:b:i")) != -1) {
    uint64_t value = optarg ? number(optarg) : 0;
    if (option == 'c')
      plan.clients = (unsigned)value;
    else if (option == 'm')
      plan.a_connection = value;
    else if (option == 'n')
      plan.most = value;
    else if (option == 'l')
      bytes = (size_t)value;
    else if (option == 't')
      plan.run_ms = (int64_t)value;
    else if (option == 'b')
      plan.burst_ms = (int64_t)value;
    else if (option == 'i')
      plan.idle = true;
    else
      die(USAGE);
  }
  if (argc != optind + 1)
    die(USAGE);
  plan.port = (uint16_t)number(argv[optind]);
  make_body(&plan, bytes);
  return plan;
}

static void
prepare(struct load *load)
{
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  load->slots = files.rlim_cur > 60000 ? 60000 : (unsigned)files.rlim_cur;
  load->slots -= 16;
  if (!load->plan.burst_ms && load->plan.clients > load->slots)
    die("not enough descriptors for so many clients (ulimit -n)");
  load->connections = calloc(load->slots, sizeof *load->connections);
  load->unused = calloc(load->slots, sizeof *load->unused);
  load->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (!load->connections || !load->unused || load->epoll < 0)
    die("out of memory");
  for (unsigned i = load->slots; i-- > 0;) {
    load->connections[i].fd = -1;
    load->unused[load->unused_count++] = i;
  }
  load->begin_ms = load_now_ms();
}

/* How many connections there should have been by now. */
static uint64_t
connections_due(struct load const *load)
{
  struct plan const *plan = &load->plan;
  struct totals const *totals = &load->totals;
  uint64_t due;
  if (plan->idle) {
    unsigned opening = totals->open - totals->waiting;
    due = totals->connections + (opening < OPENING ? OPENING - opening : 0);
    return due < plan->clients ? due : plan->clients;
  }
  if (plan->burst_ms) {
    uint64_t bursts =
        (uint64_t)((load_now_ms() - load->begin_ms) / plan->burst_ms + 1);
    due = bursts * plan->clients;
  } else {
    /* Nobody waits for the reply to QUIT; some servers are slow with it. */
    due = totals->connections + plan->clients + totals->quitting - totals->open;
  }
  return plan->most && due > plan->most ? plan->most : due;
}

static bool
is_stalled(struct load const *load, int64_t since_ms)
{
  int64_t last_ms = load->totals.last_ms;
  return load_now_ms() - (last_ms > since_ms ? last_ms : since_ms) >
         (load->plan.burst_ms ? BURST_STALL_MS : STALL_MS);
}

static void
look_at_clock(struct load *load)
{
  struct plan const *plan = &load->plan;
  struct totals const *totals = &load->totals;
  bool all_begun =
      plan->most &&
      (totals->begun >= plan->most ||
       (plan->a_connection == 1 && totals->connections >= plan->most));
  bool nobody = plan->idle && totals->open == 0 && totals->connections;
  if (told_to_end || load_now_ms() - load->begin_ms >= plan->run_ms ||
      all_begun || nobody || (!plan->idle && is_stalled(load, load->begin_ms)))
    load->ending = true;
}

static void
run(struct load *load)
{
  struct epoll_event events[EVENTS];
  bool said = false;
  int64_t end_ms = 0;
  for (;;) {
    look_at_clock(load);
    while (!load->ending && load->totals.connections < connections_due(load))
      if (!load_connect(load))
        break;
    if (load->ending && !end_ms)
      end_ms = load_now_ms();
    if (load->ending &&
        (load->plan.idle || load->totals.open == 0 || is_stalled(load, end_ms)))
      return;
    if (!said && load->totals.waiting == load->plan.clients) {
      said = true;
      puts("ready");
      fflush(stdout);
    }
    int n = epoll_wait(load->epoll, events, EVENTS, 20);
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr;
      if (c->fd >= 0)
        load_serve(load, c);
    }
  }
}

int
main(int argc, char **argv)
{
  struct load load = {.plan = read_options(argc, argv)};
  struct totals const *totals = &load.totals;
  signal(SIGTERM, end);
  signal(SIGINT, end);
  prepare(&load);
  run(&load);
  printf("connections=%ju begun=%ju stored=%ju later=%ju never=%ju refused=%ju "
         "lost=%ju open=%u waiting=%u greeted_ms=%jd stored_ms=%jd ms=%jd\n",
         (uintmax_t)totals->connections, (uintmax_t)totals->begun,
         (uintmax_t)totals->stored, (uintmax_t)totals->later,
         (uintmax_t)totals->never, (uintmax_t)totals->refused,
         (uintmax_t)totals->lost, totals->open, totals->waiting,
         (intmax_t)totals->greeted_ms, (intmax_t)totals->stored_ms,
         (intmax_t)(totals->last_ms ? totals->last_ms - load.begin_ms : 0));
  return 0;
}
