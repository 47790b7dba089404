/* dnsnote: note what the DNS says of a client, then run a program.
 * Specified in dnsnote(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "edge/chain.h"
#include "lib/clock.h"
#include "lib/connection.h"
#include "lib/dns.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/network.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "dnsnote [-r] [-t seconds] [-s server] [-b zone] ... [-w zone] ... "         \
  "program [argument ...]"
#define SECONDS 3
#define SECONDS_MAX 60
#define ZONES_MAX 32
#define NOTE_MAX 900 /* bytes in a value */
#define CODES_MAX 8  /* addresses of one list that are noted */
#define NAMES_MAX 4  /* of a client that are asked for */

/* Lists that are asked about the client, all for one note. */
struct lists {
  char const *note;
  size_t count;
  char const *zone[ZONES_MAX];
  struct dns_query query[ZONES_MAX];
};

struct client {
  struct network network;
  struct dns_query reverse;
  struct dns_query forward[NAMES_MAX]; /* of reverse.name */
};

struct state {
  bool wants_name;
  unsigned int limit_s;
  char const *server;
  struct lists black;
  struct lists white;
  struct client client;
  struct dns dns;
};

/* The client's name in a zone of addresses. */
static void
reverse_name(struct network const *network, char const *zone, char *out,
             size_t size)
{
  static char const digit[] = "0123456789abcdef";
  unsigned char const *address = network->address;
  char nibbles[65], *p = nibbles;
  if (!network->is_v6) {
    snprintf(out, size, "%u.%u.%u.%u.%s", address[3], address[2], address[1],
             address[0], zone);
    return;
  }
  for (int i = 15; i >= 0; i--) {
    *p++ = digit[address[i] & 15];
    *p++ = '.';
    *p++ = digit[address[i] >> 4];
    *p++ = '.';
  }
  *p = 0;
  snprintf(out, size, "%s%s", nibbles, zone);
}

static void
ask_lists(struct state *state, struct lists *lists)
{
  char name[2 * DNS_NAME_MAX];
  for (size_t i = 0; i < lists->count; i++) {
    reverse_name(&state->client.network, lists->zone[i], name, sizeof name);
    dns_ask(&state->dns, lists->query + i, name, DNS_A);
  }
}

static void
ask_reverse(struct state *state)
{
  char name[2 * DNS_NAME_MAX];
  struct client *client = &state->client;
  char const *zone = client->network.is_v6 ? "ip6.arpa" : "in-addr.arpa";
  reverse_name(&client->network, zone, name, sizeof name);
  dns_ask(&state->dns, &client->reverse, name, DNS_PTR);
}

static size_t
names_of(struct client const *client)
{
  size_t names = client->reverse.names;
  return names < NAMES_MAX ? names : NAMES_MAX;
}

/* Whether the names that the address has have it, too. */
static void
ask_forward(struct state *state)
{
  struct client *client = &state->client;
  enum dns_type type = client->network.is_v6 ? DNS_AAAA : DNS_A;
  for (size_t i = 0; i < names_of(client); i++)
    dns_ask(&state->dns, client->forward + i, client->reverse.name[i], type);
}

static void
ask(struct state *state)
{
  int64_t deadline_ms = clock_ms() + (int64_t)state->limit_s * 1000;
  bool in_reverse = state->wants_name;
  ask_lists(state, &state->black);
  ask_lists(state, &state->white);
  if (in_reverse)
    ask_reverse(state);
  do
    if (in_reverse && state->client.reverse.result != DNS_WAITING) {
      in_reverse = false;
      ask_forward(state);
    }
  while (dns_wait(&state->dns, deadline_ms) || in_reverse);
}

static char const *
word_of(enum dns_result result)
{
  return result == DNS_NONE ? "none" : result == DNS_LATE ? "late" : "failed";
}

/* "zone:127.0.0.2,127.0.0.4" for a list that has the client. Addresses outside
 * 127.0.0.0/8 are no list's (somebody answers for all names of the zone), those
 * in 127.255.255.0/24 are errors. The length; 0 if it has not. */
static size_t
list_entry(char const *zone, struct dns_query const *query, char *out,
           size_t size)
{
  size_t n = (size_t)snprintf(out, size, "%s", zone), start = n;
  if (query->result == DNS_NONE)
    return 0;
  for (size_t i = 0; i < query->addresses && i < CODES_MAX; i++) {
    unsigned char const *code = query->address[i];
    if (code[0] == 127 && !(code[1] == 255 && code[2] == 255))
      n += (size_t)snprintf(out + n, size - n, "%c127.%u.%u.%u",
                            n == start ? ':' : ',', code[1], code[2], code[3]);
  }
  if (n == start)
    n += (size_t)snprintf(out + n, size - n, ":%s",
                          query->result == DNS_FOUND ? "failed"
                                                     : word_of(query->result));
  return n;
}

static void
note(char const *key, char const *value)
{
  if (setenv(key, value, 1) == -1)
    chain_fail("set", key);
}

static void
note_lists(struct lists const *lists)
{
  char value[NOTE_MAX + 1] = "", entry[DNS_NAME_MAX + CODES_MAX * 17];
  size_t used = 0;
  if (!lists->count)
    return;
  for (size_t i = 0; i < lists->count; i++) {
    size_t n =
        list_entry(lists->zone[i], lists->query + i, entry, sizeof entry);
    if (!n || used + 1 + n > NOTE_MAX)
      continue;
    if (used)
      value[used++] = ' ';
    memcpy(value + used, entry, n + 1);
    used += n;
  }
  note(lists->note, used ? value : "none");
}

static bool
has_client(struct dns_query const *query, struct network const *network)
{
  size_t n = network->is_v6 ? 16 : 4;
  for (size_t i = 0; i < query->addresses; i++)
    if (!memcmp(query->address[i], network->address, n))
      return true;
  return false;
}

static void
note_name(struct client const *client)
{
  struct dns_query const *reverse = &client->reverse;
  enum dns_result worst = DNS_NONE;
  if (reverse->result != DNS_FOUND) {
    note("XNOTE_fcrdns", word_of(reverse->result));
    return;
  }
  for (size_t i = 0; i < names_of(client); i++) {
    if (has_client(client->forward + i, &client->network)) {
      note("XNOTE_rdns", reverse->name[i]);
      note("XNOTE_fcrdns", "pass");
      return;
    }
    if (client->forward[i].result > worst)
      worst = client->forward[i].result;
  }
  if (reverse->names && reverse->name[0][0])
    note("XNOTE_rdns", reverse->name[0]);
  note("XNOTE_fcrdns", worst == DNS_NONE ? "fail" : word_of(worst));
}

/* What the programs before said of the same is not ours to repeat. */
static void
forget(void)
{
  static char const *const key[] = {"XNOTE_dnsbl", "XNOTE_dnswl", "XNOTE_rdns",
                                    "XNOTE_fcrdns"};
  for (size_t i = 0; i < sizeof key / sizeof *key; i++)
    unsetenv(key[i]);
}

static void
look_up(struct state *state)
{
  char const *address = connection_variable("REMOTEIP");
  struct log log;
  forget();
  if (!address || !network_of(&state->client.network, address, 32, 128)) {
    log_start(&log, "no client address");
    log_string(&log, "ip", address ? address : "");
    log_write(&log);
    return;
  }
  ask(state);
  note_lists(&state->black);
  note_lists(&state->white);
  if (state->wants_name)
    note_name(&state->client);
}

static void
add_zone(struct lists *lists, char const *name, char const *text)
{
  if (!dns_is_name(text, strlen(text)))
    option_refuse(name, "a zone", text);
  if (lists->count == ZONES_MAX)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  lists->zone[lists->count++] = text;
}

static void
set_option(struct state *state, int option, char const *text)
{
  switch (option) {
  case 'r':
    state->wants_name = true;
    break;
  case 's':
    state->server = text;
    break;
  case 't':
    state->limit_s = option_number32("-t", text, 1, SECONDS_MAX);
    break;
  case 'b':
    add_zone(&state->black, "-b", text);
    break;
  case 'w':
    add_zone(&state->white, "-w", text);
    break;
  default:
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
}

int
main(int argc, char **argv)
{
  static struct state state = {.limit_s = SECONDS,
                               .black.note = "XNOTE_dnsbl",
                               .white.note = "XNOTE_dnswl"};
  subgetopt options = SUBGETOPT_ZERO;
  process_begin("dnsnote");
  for (int option; (option = subgetopt_r(argc, (char const *const *)argv,
                                         "b:rs:t:w:", &options)) >= 0;)
    set_option(&state, option, options.arg);
  argv += options.ind;
  if (!*argv)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (dns_start(&state.dns, state.server) == 0) {
    look_up(&state);
    dns_end(&state.dns);
  } else if (state.server && errno == EINVAL)
    option_refuse("-s", "an IP address", state.server);
  else
    strerr_warnwusys("prepare to ask the DNS");
  chain_run(argv);
}
