#include "edge/denycount.h"

#include <string.h>

#include "edge/offence.h"
#include "lib/log.h"

static void
tell(struct network const *network, uint32_t hard)
{
  struct log log;
  char text[NETWORK_TEXT_MAX];
  network_text(network, text);
  log_start(&log, "denied");
  log_string(&log, "network", text);
  log_number(&log, "hard", hard);
  log_write(&log);
}

/* Whether the network is denied for it that was not. An instant that is to come
 * is from before the clock was set back, and counts. */
static bool
add(struct denycount const *count, struct network const *network, uint32_t hard,
    int64_t now_ms)
{
  struct history *history = count->history;
  struct history_entry *entry = history_get(history, network);
  if (!entry || entry->kept)
    return false;
  for (uint32_t i = 0; i < hard && i < history->instants; i++)
    history_add(history, entry, now_ms);
  bool was = entry->marked > now_ms;
  bool is = was || history_instant(history, entry, count->most) >
                       now_ms - count->window_ms;
  if (is)
    entry->marked = now_ms + count->forget_ms;
  return is && !was;
}

static int
take_line(struct denycount *count, int64_t now_ms)
{
  struct offence offence;
  struct network network = {0};
  size_t n = count->used;
  count->used = 0;
  if (n == sizeof count->line || !offence_parse(&offence, count->line, n) ||
      !network_of(&network, offence.ip, count->v4, count->v6))
    return 0;
  if (history_lock(count->history) < 0)
    return -1;
  bool denied = add(count, &network, offence.hard, now_ms);
  history_unlock(count->history);
  if (denied)
    tell(&network, offence.hard);
  return denied;
}

int
denycount_take(struct denycount *count, char const *bytes, size_t n,
               int64_t now_ms)
{
  int denied = 0;
  while (n) {
    char const *end = memchr(bytes, '\n', n);
    size_t some = end ? (size_t)(end - bytes) : n;
    size_t room = sizeof count->line - count->used;
    memcpy(count->line + count->used, bytes, some < room ? some : room);
    count->used += some < room ? some : room;
    if (end) {
      int result = take_line(count, now_ms);
      if (result < 0)
        return -1;
      denied += result;
      some++;
    }
    bytes += some;
    n -= some;
  }
  return denied;
}
