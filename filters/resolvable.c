/* resolvable: a filter that refuses senders whose domain the DNS does not have.
 * Specified in resolvable(8). */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/policy.h"
#include "lib/ascii.h"
#include "lib/clock.h"
#include "lib/dns.h"
#include "lib/exitcode.h"
#include "lib/fnv.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "resolvable [-a answer | -n name] [-s server] [-t seconds]"
#define ANSWER "550 5.1.8 Sender's domain does not resolve"
#define LATER "451 4.4.3 Sender's domain cannot be looked up now"
#define SECONDS 5
#define SECONDS_MAX 60
#define CACHE_MAX 256 /* domains remembered */
#define FOUND_S 3600  /* at most, and no longer than the DNS says */
#define NONE_S 60
#define LATER_S 10

enum verdict { VERDICT_GOOD, VERDICT_NONE, VERDICT_LATER };

struct memory {
  char domain[DNS_NAME_MAX + 1]; /* empty: nothing here */
  enum verdict verdict;
  int64_t end_ms;
};

struct state {
  struct policy policy;
  unsigned int limit_s;
  struct dns dns;
  struct dns_query mx;
  struct dns_query a;
  struct dns_query aaaa;
  struct memory cache[CACHE_MAX];
  struct address sender; /* of the transaction, to be noted; or none */
};

/* Its place: another domain there is forgotten. */
static struct memory *
memory_of(struct state *state, char const *domain)
{
  return state->cache + fnv_string(FNV_BASIS, domain) % CACHE_MAX;
}

/* Whether some mail exchanger has a name: a lone root says that there is none.
 */
static bool
has_exchanger(struct dns_query const *mx)
{
  for (size_t i = 0; i < mx->names; i++)
    if (mx->name[i][0])
      return true;
  return false;
}

static void
ask(struct state *state, char const *domain)
{
  int64_t deadline_ms = clock_ms() + (int64_t)state->limit_s * 1000;
  dns_ask(&state->dns, &state->mx, domain, DNS_MX);
  dns_ask(&state->dns, &state->a, domain, DNS_A);
  dns_ask(&state->dns, &state->aaaa, domain, DNS_AAAA);
  while (dns_wait(&state->dns, deadline_ms))
    if (has_exchanger(&state->mx))
      deadline_ms = 0;
}

static bool
is_unclear(struct dns_query const *query)
{
  return query->result == DNS_FAILED || query->result == DNS_LATE;
}

/* What the answers mean; *ttl_s: for how long. */
static enum verdict
judge(struct state const *state, uint32_t *ttl_s)
{
  struct dns_query const *mx = &state->mx, *a = &state->a, *aaaa = &state->aaaa;
  struct dns_query const *found = a->result == DNS_FOUND      ? a
                                  : aaaa->result == DNS_FOUND ? aaaa
                                                              : NULL;
  if (mx->result == DNS_FOUND)
    found = has_exchanger(mx) ? mx : NULL;
  if (found) {
    *ttl_s = found->ttl_s < FOUND_S ? found->ttl_s : FOUND_S;
    return VERDICT_GOOD;
  }
  if (mx->result != DNS_FOUND &&
      (is_unclear(mx) || is_unclear(a) || is_unclear(aaaa))) {
    *ttl_s = LATER_S;
    return VERDICT_LATER;
  }
  *ttl_s = NONE_S;
  return VERDICT_NONE;
}

static enum verdict
look_up(struct state *state, char const *domain)
{
  struct memory *memory = memory_of(state, domain);
  uint32_t ttl_s;
  if (!strcmp(memory->domain, domain) && clock_ms() < memory->end_ms)
    return memory->verdict;
  ask(state, domain);
  memory->verdict = judge(state, &ttl_s);
  memory->end_ms = clock_ms() + (int64_t)ttl_s * 1000;
  strcpy(memory->domain, domain);
  return memory->verdict;
}

static enum verdict
verdict_of(struct state *state, struct address const *sender)
{
  char mailbox[ADDRESS_MAX + 1];
  size_t at;
  size_t n = address_mailbox(sender, mailbox, &at);
  char const *domain = mailbox + at + 1;
  if (!n || (at < n && *domain == '['))
    return VERDICT_GOOD;
  if (at < n && dns_is_name(domain, n - at - 1))
    return look_up(state, domain);
  for (size_t i = at; i < n; i++)
    if (ascii_is_8bit(mailbox[i]))
      return VERDICT_GOOD; /* an international name, which we cannot ask for */
  return VERDICT_NONE;
}

static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct state *state = stage->state;
  struct log log;
  enum verdict verdict = verdict_of(state, &mail->address);
  state->sender.length = 0;
  if (verdict == VERDICT_NONE)
    state->sender = mail->address;
  if (verdict == VERDICT_LATER) {
    stage_log(stage, &log, "not looked up");
    log_string(&log, "from", mail->address.text);
    log_write(&log);
  }
  if (state->policy.note)
    return;
  if (verdict == VERDICT_NONE)
    policy_apply(&state->policy, stage, "from", state->sender.text);
  else if (verdict == VERDICT_LATER)
    stage_answer(stage, LATER);
}

/* To note: a note is a recipient's. */
static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct state *state = stage->state;
  (void)rcpt;
  if (state->sender.length)
    policy_apply(&state->policy, stage, "from", state->sender.text);
}

int
main(int argc, char const *const *argv)
{
  static struct state state = {.policy.answer = ANSWER, .limit_s = SECONDS};
  struct stage_handlers handlers = {.mail = on_mail};
  subgetopt options = SUBGETOPT_ZERO;
  char const *server = NULL;
  process_begin("resolvable");
  for (int option;
       (option = subgetopt_r(argc, argv, "a:n:s:t:", &options)) >= 0;) {
    if (option == 's')
      server = options.arg;
    else if (option == 't')
      state.limit_s = option_number32("-t", options.arg, 1, SECONDS_MAX);
    else if (!policy_option(&state.policy, option, options.arg))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc > options.ind || !policy_is_sound(&state.policy))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (dns_start(&state.dns, server) == -1) {
    if (server && errno == EINVAL)
      option_refuse("-s", "an IP address", server);
    strerr_diefusys(EXIT_TEMPORARY, "prepare to ask the DNS");
  }
  handlers.judges_sender = !state.policy.note;
  handlers.rcpt = state.policy.note ? on_rcpt : NULL;
  int result = stage_run(&handlers, &state);
  dns_end(&state.dns);
  return result;
}
