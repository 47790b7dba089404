#include "edge/denylist.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int
compare(void const *a, void const *b)
{
  struct network const *one = &((struct denied const *)a)->network;
  struct network const *other = &((struct denied const *)b)->network;
  if (one->is_v6 != other->is_v6)
    return one->is_v6 ? 1 : -1;
  int order = memcmp(one->address, other->address, sizeof one->address);
  return order ? order : one->bits - other->bits;
}

bool
denylist_covers(struct network const *network, struct network const *other)
{
  char text[NETWORK_TEXT_MAX];
  if (network->bits > other->bits)
    return false;
  network_text(other, text);
  text[strcspn(text, "/")] = 0;
  return network_has(network, text);
}

/* Behind a network in the order come those that it covers. */
static void
drop_covered(struct denylist *list)
{
  size_t kept = 0;
  for (size_t i = 0; i < list->n; i++)
    if (!kept || !denylist_covers(&list->entries[kept - 1].network,
                                  &list->entries[i].network))
      list->entries[kept++] = list->entries[i];
  list->n = kept;
}

/* What is no network, by its length or by bits behind it, is from a damaged
 * file. */
static bool
is_network(struct network const *network)
{
  char text[NETWORK_TEXT_MAX];
  struct network same = {0};
  network_text(network, text);
  return network_scan(&same, text) && network_equals(&same, network);
}

static bool
is_denied(struct history_entry const *entry, int64_t now_ms)
{
  return (entry->kept || entry->marked > now_ms) && is_network(&entry->network);
}

int
denylist_collect(struct denylist *list, struct history *history, int64_t now_ms,
                 bool covered)
{
  size_t most = (size_t)history->sets * HISTORY_WAYS;
  list->n = 0;
  list->now_ms = now_ms;
  list->entries = calloc(most, sizeof *list->entries);
  if (!list->entries)
    return -1;
  if (history_lock(history) < 0) {
    free(list->entries);
    return -1;
  }
  for (size_t i = 0; i < most; i++) {
    struct history_entry const *entry = history_at(history, i);
    if (entry && is_denied(entry, now_ms))
      list->entries[list->n++] =
          (struct denied){entry->network, entry->kept ? 0 : entry->marked};
  }
  history_unlock(history);
  qsort(list->entries, list->n, sizeof *list->entries, compare);
  if (!covered)
    drop_covered(list);
  return 0;
}

bool
denylist_expire(struct history *history, int64_t now_ms, int64_t forget_ms)
{
  bool any = false;
  for (size_t i = 0; i < (size_t)history->sets * HISTORY_WAYS; i++) {
    struct history_entry *entry = history_at(history, i);
    if (!entry || entry->kept || !entry->marked)
      continue;
    if (entry->marked <= now_ms)
      entry->used = 0;
    else if (entry->marked > now_ms + forget_ms)
      entry->marked = now_ms + forget_ms;
    else
      continue;
    any = true;
  }
  return any;
}

bool
denylist_ban(struct history *history, struct network const *network)
{
  struct history_entry *entry = history_get(history, network);
  if (entry)
    entry->kept = 1;
  return entry != NULL;
}

void
denylist_forget(struct history *history, struct network const *network)
{
  for (size_t i = 0; i < (size_t)history->sets * HISTORY_WAYS; i++) {
    struct history_entry *entry = history_at(history, i);
    if (entry && (denylist_covers(network, &entry->network) ||
                  denylist_covers(&entry->network, network)))
      entry->used = 0;
  }
}

bool
denylist_fits(struct network const *network)
{
  return network->bits > 0 && network->bits % (network->is_v6 ? 16 : 8) == 0;
}

static unsigned int
group(struct network const *network, unsigned int i)
{
  return (unsigned int)network->address[2 * i] << 8 |
         network->address[2 * i + 1];
}

static void
put_v4_rule(FILE *file, struct network const *network, char const *instructions)
{
  for (unsigned int i = 0; i < network->bits / 8; i++)
    fprintf(file, i == 3 ? "%u" : "%u.", (unsigned int)network->address[i]);
  fprintf(file, ":%s\n", instructions);
}

/* tcpserver looks for beginnings of the address as text, which has the longest
 * run of zeros as "::". The last group's zero may be in it. */
static void
put_v6_rule(FILE *file, struct network const *network, char const *instructions)
{
  unsigned int groups = network->bits / 16, last = groups - 1;
  for (unsigned int i = 0; i < groups; i++)
    fprintf(file, "%x:", group(network, i));
  fprintf(file, ":%s\n", instructions);
  if (last == 0 || group(network, last) || !group(network, last - 1))
    return;
  for (unsigned int i = 0; i < last; i++)
    fprintf(file, "%x:", group(network, i));
  fprintf(file, "::%s\n", instructions);
}

static void
put_host_rule(FILE *file, struct network const *network,
              char const *instructions)
{
  char text[NETWORK_TEXT_MAX];
  network_text(network, text);
  text[strcspn(text, "/")] = 0;
  fprintf(file, "%s:%s\n", text, instructions);
}

void
denylist_put_rules(FILE *file, struct denylist const *list,
                   char const *instructions)
{
  for (size_t i = 0; i < list->n; i++) {
    struct network const *network = &list->entries[i].network;
    if (!denylist_fits(network))
      continue;
    if (network->bits == 128)
      put_host_rule(file, network, instructions);
    else if (network->is_v6)
      put_v6_rule(file, network, instructions);
    else
      put_v4_rule(file, network, instructions);
  }
}

static void
put_zone(FILE *file, struct denylist const *list, bool is_v6)
{
  char text[NETWORK_TEXT_MAX];
  fputs(":127.0.0.2:Refused too often\n", file);
  for (size_t i = 0; i < list->n; i++)
    if (list->entries[i].network.is_v6 == is_v6) {
      network_text(&list->entries[i].network, text);
      fprintf(file, "%s\n", text);
    }
}

void
denylist_put_ip4set(FILE *file, struct denylist const *list)
{
  put_zone(file, list, false);
}

void
denylist_put_ip6trie(FILE *file, struct denylist const *list)
{
  put_zone(file, list, true);
}

void
denylist_put_nft(FILE *file, struct denylist const *list)
{
  char text[NETWORK_TEXT_MAX];
  fputs("add table inet trapline\n", file);
  for (unsigned int v = 4; v <= 6; v += 2)
    fprintf(file,
            "add set inet trapline denied%u "
            "{ type ipv%u_addr; flags interval, timeout; }\n"
            "flush set inet trapline denied%u\n",
            v, v, v);
  for (size_t i = 0; i < list->n; i++) {
    struct denied const *denied = list->entries + i;
    network_text(&denied->network, text);
    fprintf(file, "add element inet trapline denied%u { %s",
            denied->network.is_v6 ? 6U : 4U, text);
    if (denied->until_ms)
      fprintf(file, " timeout %llds",
              (long long)((denied->until_ms - list->now_ms + 999) / 1000));
    fputs(" }\n", file);
  }
}

void
denylist_put_text(FILE *file, struct denylist const *list)
{
  for (size_t i = 0; i < list->n; i++) {
    char text[NETWORK_TEXT_MAX], when[40] = "never";
    time_t until = (time_t)(list->entries[i].until_ms / 1000);
    struct tm utc;
    network_text(&list->entries[i].network, text);
    if (until && gmtime_r(&until, &utc))
      strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    fprintf(file, "%s\t%s\n", text, when);
  }
}
