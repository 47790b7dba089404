/* denyrepeat: denies the networks of clients that were refused too often, by
 * what goes through the log. Specified in denyrepeat(8). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include "edge/denycount.h"
#include "edge/denyfiles.h"
#include "lib/clock.h"
#include "lib/exitcode.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "denyrepeat [-n most] [-w hours] [-f hours] [-4 bits] [-6 bits] "            \
  "[-i instructions] [-x rules] [-e form] directory [program [argument "       \
  "...]], "                                                                    \
  "or denyrepeat -l directory, or denyrepeat -r|-b network directory"
#define SETS 4096
#define INSTANTS 32
#define SWEEP_MS 60000    /* between two looks for what is to be forgotten */
#define WRITE_MS 1000     /* between two writings of the lists, at least */
#define LAST_LINE_MS 1000 /* for the rest of a line, after SIGTERM */
#define HOUR_MS INT64_C(3600000)

struct denyrepeat {
  struct denyfiles files;
  struct history history;
  struct denycount count;
  char command; /* l, r or b; 0: none */
  char const *network;
  int wake; /* the FIFO */
  pid_t writer;
  bool changed;
  int64_t written_ms;
  int64_t swept_ms;
  int64_t leave_ms; /* SIGTERM came: how long to wait; 0: it did not */
};

static void
usage(void)
{
  strerr_dieusage(EXIT_PERMANENT, USAGE);
}

/* Lengths that tcprules has a form for. */
static uint32_t
bits(char const *name, char const *text, uint32_t most, uint32_t step)
{
  uint32_t value = option_number32(name, text, 1, most);
  if (value % step)
    option_refuse(name, step == 8 ? "a multiple of 8" : "a multiple of 16",
                  text);
  return value;
}

static void
read_option(struct denyrepeat *deny, int option, char const *argument)
{
  switch (option) {
  case 'n':
    deny->count.most = option_number32("-n", argument, 1, INSTANTS);
    break;
  case 'w':
    deny->count.window_ms = option_number32("-w", argument, 1, 8760) * HOUR_MS;
    break;
  case 'f':
    deny->count.forget_ms = option_number32("-f", argument, 1, 8760) * HOUR_MS;
    break;
  case '4':
    deny->count.v4 = bits("-4", argument, 32, 8);
    break;
  case '6':
    deny->count.v6 = bits("-6", argument, 128, 16);
    break;
  case 'i':
    deny->files.instructions = argument;
    break;
  case 'x':
    deny->files.rules = argument;
    break;
  case 'e':
    if (!denyfiles_add(&deny->files, argument))
      usage();
    break;
  case 'l':
  case 'r':
  case 'b':
    if (deny->command)
      usage();
    deny->command = (char)option;
    deny->network = argument;
    break;
  default:
    usage();
  }
}

/* Returns the index of the program. */
static int
read_options(struct denyrepeat *deny, int argc, char **argv)
{
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "n:w:f:4:6:i:x:e:lr:b:", &l)) != -1)
    read_option(deny, option, l.arg);
  if (argc <= l.ind || (deny->command && argc != l.ind + 1) ||
      !denyfiles_instructs(deny->files.instructions))
    usage();
  deny->files.directory = argv[l.ind];
  return l.ind + 1;
}

static int64_t
now_ms(void)
{
  struct timespec now;
  clock_utc(&now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
lock(struct denyrepeat *deny)
{
  if (history_lock(&deny->history) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "lock ", deny->files.directory);
}

/* What an operator asks for. */
static int
answer(struct denyrepeat *deny)
{
  struct network network = {0};
  bool bans = deny->command == 'b';
  if (deny->command == 'l') {
    if (denyfiles_list(&deny->history, now_ms()) < 0)
      strerr_diefusys(EXIT_TEMPORARY, "list ", deny->files.directory);
    return EXIT_DONE;
  }
  if (!network_scan(&network, deny->network) ||
      (bans && !denylist_fits(&network)))
    strerr_dief(EXIT_PERMANENT, "not a network for that: ", deny->network);
  lock(deny);
  bool done = !bans || denylist_ban(&deny->history, &network);
  if (!bans)
    denylist_forget(&deny->history, &network);
  history_unlock(&deny->history);
  if (!done)
    strerr_dief(EXIT_TEMPORARY, "no place for one more ban like that");
  if (!denyfiles_wake(&deny->files))
    strerr_warnw("no denyrepeat runs here: the lists are written when one "
                 "starts");
  return EXIT_DONE;
}

/* Pass on what is there: first that, then look. After SIGTERM only the rest of
 * a line, whose bytes multilog has to have. false: the end. */
static bool
pass(struct denyrepeat *deny)
{
  char bytes[65536];
  ssize_t n = read(0, bytes, deny->leave_ms ? 1 : sizeof bytes);
  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return true;
  if (n < 0)
    strerr_diefusys(EXIT_TEMPORARY, "read the log");
  if (allwrite(1, bytes, (size_t)n) < (size_t)n)
    strerr_diefusys(EXIT_TEMPORARY, "pass the log on");
  int denied = denycount_take(&deny->count, bytes, (size_t)n, now_ms());
  if (denied < 0)
    strerr_diefusys(EXIT_TEMPORARY, "lock ", deny->files.directory);
  deny->changed = deny->changed || denied;
  return n > 0;
}

static void
start_writer(struct denyrepeat *deny)
{
  deny->changed = false;
  deny->written_ms = clock_ms();
  deny->writer = fork();
  if (deny->writer == 0) {
    selfpipe_finish();
    denyfiles_write(&deny->files, SETS, INSTANTS, now_ms());
  }
  if (deny->writer < 0) {
    strerr_warnwusys("start a writer of lists");
    deny->changed = true;
  }
}

/* The writer has said what is wrong. */
static void
reap(struct denyrepeat *deny, int options)
{
  int status;
  if (deny->writer <= 0 || waitpid_nointr(deny->writer, &status, options) <= 0)
    return;
  deny->writer = 0;
  if (status) {
    strerr_warnw("the lists are not written; to be tried again");
    deny->changed = true;
    deny->written_ms = clock_ms() + 9 * WRITE_MS;
  }
}

static void
sweep(struct denyrepeat *deny)
{
  deny->swept_ms = clock_ms();
  lock(deny);
  if (denylist_expire(&deny->history, now_ms(), deny->count.forget_ms))
    deny->changed = true;
  history_unlock(&deny->history);
}

static void
take_signals(struct denyrepeat *deny)
{
  int signal;
  while ((signal = selfpipe_read()) > 0) {
    if (signal == SIGCHLD)
      reap(deny, WNOHANG);
    else if (!deny->leave_ms)
      deny->leave_ms = clock_ms() + LAST_LINE_MS;
  }
}

/* Do what is due; how long nothing else will be. */
static int
work(struct denyrepeat *deny)
{
  int64_t now = clock_ms();
  if (now - deny->swept_ms >= SWEEP_MS)
    sweep(deny);
  if (deny->changed && deny->writer <= 0 && now - deny->written_ms >= WRITE_MS)
    start_writer(deny);
  int64_t next = deny->swept_ms + SWEEP_MS;
  if (deny->changed && deny->writer <= 0 && deny->written_ms + WRITE_MS < next)
    next = deny->written_ms + WRITE_MS;
  if (deny->leave_ms && deny->leave_ms < next)
    next = deny->leave_ms;
  return next > now ? (int)(next - now) : 0;
}

/* After the end of the log, or SIGTERM: nothing learnt is left unwritten. */
static void
leave(struct denyrepeat *deny)
{
  reap(deny, 0);
  if (deny->changed)
    start_writer(deny);
  reap(deny, 0);
}

static void
follow(struct denyrepeat *deny, int signals)
{
  struct pollfd polled[3] = {{.fd = 0, .events = POLLIN},
                             {.fd = signals, .events = POLLIN},
                             {.fd = deny->wake, .events = POLLIN}};
  bool going = true;
  char bytes[256];
  while (going) {
    int timeout_ms = work(deny);
    if (poll(polled, 3, timeout_ms) < 0) {
      if (errno != EINTR)
        strerr_diefusys(EXIT_TEMPORARY, "wait for the log");
      continue;
    }
    if (polled[1].revents)
      take_signals(deny);
    if (polled[2].revents && read(deny->wake, bytes, sizeof bytes) > 0)
      deny->changed = true;
    if (polled[0].revents && !(deny->leave_ms && deny->count.used == 0))
      going = pass(deny);
    if (deny->leave_ms &&
        (deny->count.used == 0 || clock_ms() >= deny->leave_ms))
      going = false;
  }
}

/* What we pass on goes to a program of ours, which ends when we do. */
static pid_t
start_program(char **program)
{
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "make a pipe");
  pid_t pid = fork();
  if (pid < 0)
    strerr_diefusys(EXIT_TEMPORARY, "start ", program[0]);
  if (pid == 0) {
    dup2(ends[0], 0);
    sig_restore(SIGPIPE);
    sig_restore(SIGXFSZ);
    execvp(program[0], program);
    strerr_dieexec(EXIT_TEMPORARY, program[0]);
  }
  dup2(ends[1], 1);
  close(ends[0]);
  close(ends[1]);
  return pid;
}

static int
trap_signals(void)
{
  int fd = selfpipe_init();
  if (fd < 0 || !selfpipe_trap(SIGCHLD) || !selfpipe_trap(SIGTERM))
    strerr_diefusys(EXIT_TEMPORARY, "trap signals");
  return fd;
}

/* Who asks what is denied has made a mistake, where nothing ever was. */
static bool
is_missing(struct denyrepeat const *deny)
{
  return (deny->command == 'l' || deny->command == 'r') &&
         access(deny->files.directory, F_OK) < 0;
}

int
main(int argc, char **argv)
{
  static struct denyrepeat deny = {
      .files = {.instructions = "deny"},
      .count = {.most = 3,
                .v4 = 24,
                .v6 = 64,
                .window_ms = 8 * HOUR_MS,
                .forget_ms = 12 * HOUR_MS},
      .changed = true,
  };
  process_begin("denyrepeat");
  deny.count.history = &deny.history;
  int next = read_options(&deny, argc, argv);
  if (is_missing(&deny) ||
      denyfiles_history(&deny.files, &deny.history, SETS, INSTANTS) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "use ", deny.files.directory);
  if (deny.command)
    return answer(&deny);
  deny.wake = denyfiles_open(&deny.files, "wake", O_RDWR | O_NONBLOCK);
  if (deny.wake < 0)
    strerr_diefusys(EXIT_TEMPORARY, "open the FIFO in ", deny.files.directory);
  deny.written_ms = clock_ms() - WRITE_MS;
  pid_t program = next < argc ? start_program(argv + next) : 0;
  follow(&deny, trap_signals());
  close(1);
  leave(&deny);
  if (program)
    waitpid_nointr(program, &(int){0}, 0);
  return EXIT_DONE;
}
