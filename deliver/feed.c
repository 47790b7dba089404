#include "deliver/feed.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "deliver/bar.h"
#include "deliver/mailhead.h"
#include "lib/clock.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/stagelist.h"

/* Bytes of a message that are searched for addresses. */
#define HEAD_MAX 65536
#define LIMIT_MAX_S 86400
#define FAILURES_MAX 10
#define REAP_STEP_NS 2000000
#define POLL_MOST_MS 1000 /* a signal right before the poll does not end it */

static volatile sig_atomic_t is_signalled;

static void
on_signal(int number)
{
  (void)number;
  is_signalled = 1;
}

static bool
is_address(char const *text, struct address *address)
{
  size_t n = strlen(text);
  return n && address_parse(text, n, ADDRESS_LAX, address) == n;
}

/* A TAB between two. */
static void
add_recipient(stralloc *recipients, struct address const *address)
{
  if ((recipients->len && !stralloc_catb(recipients, "\t", 1)) ||
      !stralloc_catb(recipients, address->text, address->length))
    strerr_diefusys(EXIT_TEMPORARY, "keep the recipients");
}

/* Those of a message, as its header has them: the first X-Original-To and those
 * right behind it, else the first Delivered-To. */
static void
find_recipients(stralloc *found, char const *head, size_t n)
{
  static struct address to;
  size_t behind;
  found->len = 0;
  for (int has = mailhead_address(head, n, "X-Original-To", &to, &behind);
       has && to.length;
       has = mailhead_next(head, n, "X-Original-To", &to, &behind))
    add_recipient(found, &to);
  if (!found->len && mailhead_address(head, n, "Delivered-To", &to, &behind) &&
      to.length)
    add_recipient(found, &to);
}

int
feed_options(struct feed *feed, int argc, char **argv)
{
  subgetopt options = SUBGETOPT_ZERO;
  struct address recipient;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "vs:r:t:d:", &options)) != -1) {
    if (option == 'v')
      feed->is_verbose = true;
    else if (option == 's') {
      feed->has_sender = true;
      feed->sender.length = 0;
      if (*options.arg && !is_address(options.arg, &feed->sender))
        option_refuse("-s", "an address", options.arg);
    } else if (option == 't') {
      feed->limit_s = option_number32("-t", options.arg, 1, LIMIT_MAX_S);
    } else if (option == 'd' && feed->directory && *options.arg)
      feed->directory = options.arg;
    else if (option == 'r') {
      if (!is_address(options.arg, &recipient) || !recipient.length)
        option_refuse("-r", "an address", options.arg);
      add_recipient(&feed->recipients, &recipient);
    } else
      return -1;
  }
  return options.ind;
}

void
feed_start(struct feed *feed, char **command)
{
  struct sigaction action = {.sa_handler = on_signal};
  if (command && *command && !strcmp(*command, "--"))
    command++;
  feed->stages = stagelist_read(command && *command ? command : NULL);
  if (!feed->stages)
    strerr_dief(EXIT_TEMPORARY, control_error());
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
}

bool
feed_goes_on(struct feed const *feed)
{
  return !is_signalled && feed->failures < FAILURES_MAX;
}

void
feed_trouble(struct feed *feed, char const *event, char const *name)
{
  int reason = errno;
  struct log log;
  bar_clear();
  log_start(&log, event);
  log_string(&log, "message", name);
  log_string(&log, "error", strerror(reason));
  log_write(&log);
  feed->in_trouble = true;
}

/* The envelope of the message that begins with head. */
static void
set_envelope(struct feed *feed, char const *head, size_t n, char const *sender)
{
  static struct address from;
  size_t behind;
  struct jobrecord *record = &feed->slot.job.record;
  struct metadata *line = record->line;
  if (feed->has_sender)
    from = feed->sender;
  else if (!mailhead_address(head, n, "Return-Path", &from, &behind) &&
           (!sender || !strcmp(sender, "MAILER-DAEMON") ||
            !is_address(sender, &from)))
    from.length = 0;
  record->lines = 2;
  line[0] = (struct metadata){"mail_from", from.text, from.length};
  from.text[from.length] = 0;
  stralloc const *to = &feed->recipients;
  if (!to->len) {
    to = &feed->found;
    find_recipients(&feed->found, head, n);
  }
  line[1] = (struct metadata){"rcpt_to", to->s, to->len};
  if (!to->len)
    record->lines = 1;
}

static void
wait_for_end(struct feed *feed)
{
  struct timespec step = {0, REAP_STEP_NS};
  while (feed->slot.state == SLOT_ENDING) {
    slot_press(&feed->slot, clock_ms());
    slot_reap(&feed->slot, clock_ms());
    if (feed->slot.state == SLOT_ENDING)
      nanosleep(&step, NULL);
  }
}

static void
break_off(struct feed *feed, char const *name, char const *reason)
{
  struct log log;
  bar_clear();
  log_start(&log, "error: the pipeline failed");
  log_string(&log, "message", name);
  log_string(&log, "error", reason);
  log_write(&log);
  feed->in_trouble = true;
  feed->failures++;
  verdicts_add(&feed->verdicts, "none: the pipeline failed");
  slot_end(&feed->slot, true, clock_ms());
  wait_for_end(feed);
}

static bool
is_sending(struct slot const *slot)
{
  return slot->from != slot->to || slot->data_left ||
         slot->text_sent != slot->replay.text.len;
}

/* A signal came, or it takes too long. NULL if it has been answered all the
 * same, or why not. */
static char const *
give_up(struct slot *slot)
{
  if (slot_read_rest(slot, clock_ms()) == SLOT_ANSWERED)
    return NULL;
  return is_signalled ? "a signal came" : "it takes too long";
}

/* The message is on its way: until it is answered. NULL, or why not. */
static char const *
watch(struct feed *feed)
{
  struct slot *slot = &feed->slot;
  int64_t end_ms = clock_ms() + (int64_t)feed->limit_s * 1000;
  enum slot_result result = slot_send(slot, clock_ms());
  while (result == SLOT_WAIT) {
    struct pollfd ends[2] = {
        {.fd = slot->tail, .events = POLLIN},
        {.fd = is_sending(slot) ? slot->head : -1, .events = POLLOUT}};
    int64_t left_ms = end_ms - clock_ms();
    if (is_signalled || left_ms <= 0)
      return give_up(slot);
    if (poll(ends, 2, left_ms > POLL_MOST_MS ? POLL_MOST_MS : (int)left_ms) <=
        0)
      continue;
    if (ends[1].revents)
      result = slot_write(slot);
    if (result == SLOT_WAIT && ends[0].revents)
      result = slot_read(slot, clock_ms());
  }
  return result == SLOT_BROKEN ? slot->reason : NULL;
}

static void
count(struct feed *feed, char const *name)
{
  struct replay const *replay = &feed->slot.replay;
  char text[REPLAY_ANSWER_MAX + 1];
  bool is_done = replay_outcome(replay) == REPLAY_DONE;
  if (is_done)
    snprintf(text, sizeof text, "%u", replay->last_code);
  else
    snprintf(text, sizeof text, "%s", replay->worst);
  feed->has_refused |= !is_done;
  feed->failures = 0;
  verdicts_add(&feed->verdicts, text);
  if (!feed->is_verbose)
    return;
  bar_clear();
  for (char const *p = name; *p; p++)
    putchar(*p < ' ' || *p > '~' ? '?' : *p);
  printf(": %s\n", text);
  fflush(stdout);
}

void
feed_send(struct feed *feed, int fd, uint64_t bytes, char const *name,
          char const *sender)
{
  static char head[HEAD_MAX];
  struct slot *slot = &feed->slot;
  char job[32];
  ssize_t n = pread(fd, head, sizeof head, 0);
  if (n < 0 || lseek(fd, 0, SEEK_SET) < 0) {
    feed_trouble(feed, "error: unable to read a message", name);
    return;
  }
  set_envelope(feed, head, (size_t)n, sender);
  snprintf(job, sizeof job, "feed.%llu",
           (unsigned long long)feed->verdicts.all + 1);
  slot->job.data_fd = fd;
  slot->job.data_bytes = bytes;
  if (!replay_build(&slot->replay, &slot->job.record, job, bytes, "postmaster"))
    strerr_diefusys(EXIT_TEMPORARY, "keep the envelope");
  if (slot->state == SLOT_EMPTY && !slot_start(slot, feed->stages, clock_ms()))
    _exit(EXIT_TEMPORARY); /* it has said why */
  char const *reason = watch(feed);
  if (reason)
    break_off(feed, name, reason);
  else
    count(feed, name);
}

int
feed_finish(struct feed *feed)
{
  struct verdicts *verdicts = &feed->verdicts;
  bar_clear();
  slot_end(&feed->slot, false, clock_ms());
  wait_for_end(feed);
  verdicts_sort(verdicts);
  for (size_t i = 0; i < verdicts->used; i++)
    printf("%10llu  %s\n", (unsigned long long)verdicts->verdict[i].count,
           verdicts->verdict[i].text);
  printf("%10llu  messages\n", (unsigned long long)verdicts->all);
  if (fflush(stdout) != 0)
    strerr_diefusys(EXIT_TEMPORARY, "write the table");
  if (feed->in_trouble || is_signalled)
    return EXIT_TEMPORARY;
  return feed->has_refused ? FEED_EXIT_REFUSED : EXIT_DONE;
}
