#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "edge/denycount.h"
#include "edge/denylist.h"

#define HOUR 3600000

static char path[] = "/tmp/trapline-denycount.XXXXXX";

static int
say(struct denycount *count, char const *ip, int hard, int64_t now_ms)
{
  char line[200];
  int n = snprintf(line, sizeof line,
                   "trap-smtpd: end session=1.2.3 ip=%s why=quit hard=%d\n", ip,
                   hard);
  return denycount_take(count, line, (size_t)n, now_ms);
}

static size_t
denied(struct history *history, int64_t now_ms)
{
  struct denylist list;
  if (denylist_collect(&list, history, now_ms, true) < 0)
    return 999;
  free(list.entries);
  return list.n;
}

static void
test_count(struct denycount *count)
{
  int64_t now = 1000 * (int64_t)HOUR;
  tap_is_number(say(count, "192.0.2.1", 1, now), 0, "one refusal");
  tap_is_number(say(count, "192.0.2.2", 1, now + 8 * HOUR - 1), 0, "two");
  tap_is_number(say(count, "192.0.2.3", 1, now + 8 * HOUR), 0,
                "a third, eight hours after the first");
  tap_is_number(say(count, "192.0.2.3", 1, now + 8 * HOUR), 1,
                "a third within eight hours");
  tap_is_number(say(count, "192.0.2.3", 5, now + 9 * HOUR), 0,
                "more deny it no more");
  tap_is_number((long long)denied(count->history, now + 21 * HOUR - 1), 1,
                "denied for twelve hours after the last");
  tap_is_number((long long)denied(count->history, now + 21 * HOUR), 0,
                "and no longer");
  tap_ok(!denylist_expire(count->history, now + 21 * HOUR - 1, 12 * HOUR),
         "nothing to forget");
  tap_ok(!denylist_expire(count->history, now + 9 * HOUR, 12 * HOUR),
         "nor changed before");
  tap_ok(denylist_expire(count->history, now + 21 * HOUR, 12 * HOUR),
         "it is forgotten");
  tap_is_number(say(count, "192.0.2.3", 2, now + 21 * HOUR), 0,
                "all is counted anew");
  tap_is_number(say(count, "198.51.100.1", 3, now), 1, "three at once");
  tap_is_number(say(count, "198.51.101.1", 1000000, now), 1, "a million");
  tap_is_number(say(count, "unknown", 3, now), 0, "no address");
  tap_is_number(say(count, "2001:db8:1:2::3", 3, now), 1, "IPv6");
  tap_is_number(say(count, "2001:db8:1:2:9::3", 3, now), 0, "of that network");
}

/* Lines come in any pieces, some are too long. */
static void
test_pieces(struct denycount *count)
{
  static char line[DENYCOUNT_LINE_MAX + 100];
  int64_t now = 5000 * (int64_t)HOUR;
  size_t n = (size_t)sprintf(line, "trap-smtpd: end ip=203.0.113.1 hard=3\n");
  int sum = 0;
  for (size_t i = 0; i < n; i++) {
    tap_ok(count->used == i, "%zu bytes are waiting", i);
    sum += denycount_take(count, line + i, 1, now);
  }
  tap_is_number(sum, 1, "byte by byte");
  for (size_t length = DENYCOUNT_LINE_MAX - 1; length <= DENYCOUNT_LINE_MAX + 1;
       length++) {
    memset(line, 'x', sizeof line);
    n = (size_t)sprintf(
        line, "trap-smtpd: end ip=203.0.%zu.1 hard=3 helo=", length % 200);
    line[n] = 'x';
    line[length] = '\n';
    tap_is_number(denycount_take(count, line, length + 1, now),
                  length < DENYCOUNT_LINE_MAX, "a line of the longest");
    tap_is_number((long long)count->used, 0, "and the next begins");
  }
}

static void
test_ban(struct denycount *count)
{
  int64_t now = 9000 * (int64_t)HOUR;
  struct network network = {0}, part = {0};
  network_scan(&network, "10.0.0.0/8");
  network_scan(&part, "10.1.2.3");
  size_t before = denied(count->history, now);
  tap_ok(denylist_ban(count->history, &network), "a ban");
  tap_is_number((long long)denied(count->history, now + 9999 * (int64_t)HOUR),
                (long long)before + 1, "holds");
  say(count, "10.1.2.4", 3, now);
  tap_is_number((long long)denied(count->history, now), (long long)before + 2,
                "a part of it is denied for itself");
  struct denylist list;
  denylist_collect(&list, count->history, now, false);
  tap_is_number((long long)list.n, (long long)before + 1, "and is left out");
  free(list.entries);
  denylist_forget(count->history, &part);
  tap_is_number((long long)denied(count->history, now), (long long)before,
                "all that have the address are forgotten");
}

static void
test_clock(struct denycount *count)
{
  int64_t now = 12000 * (int64_t)HOUR;
  say(count, "203.0.113.9", 3, now + 9000 * (int64_t)HOUR);
  tap_ok(denylist_expire(count->history, now, 12 * HOUR),
         "denied when the clock was wrong");
  tap_is_number((long long)denied(count->history, now + 12 * HOUR - 1), 1,
                "for twelve hours from now");
  tap_is_number((long long)denied(count->history, now + 12 * HOUR), 0,
                "and no longer");
}

static void
tap_number_denied(struct denycount *count, int64_t now, long long wanted,
                  char const *name)
{
  tap_is_number((long long)denied(count->history, now), wanted, name);
}

static void
test_damaged(struct denycount *count)
{
  int64_t now = 30000 * (int64_t)HOUR;
  struct network network = {0};
  network_scan(&network, "203.0.114.0/24");
  say(count, "203.0.114.9", 3, now);
  struct history_entry *entry = history_find(count->history, &network);
  tap_number_denied(count, now, 1, "a network");
  entry->network.address[3] = 9;
  tap_number_denied(count, now, 0, "bits behind its length");
  entry->network.address[3] = 0;
  entry->network.bits = 33;
  tap_number_denied(count, now, 0, "a length that there is not");
  entry->network.bits = 24;
  tap_number_denied(count, now, 1, "whole again");
}

int
main(void)
{
  struct history history;
  struct denycount count = {.history = &history,
                            .most = 3,
                            .v4 = 24,
                            .v6 = 64,
                            .window_ms = 8 * HOUR,
                            .forget_ms = 12 * HOUR};
  PROG = "denycount";
  close(mkstemp(path));
  if (history_open(&history, path, 64, 32) < 0)
    return 1;
  test_count(&count);
  test_pieces(&count);
  test_ban(&count);
  test_clock(&count);
  test_damaged(&count);
  unlink(path);
  return tap_done();
}
