/* spf: a filter that notes whether a client may send for its sender.
 * Specified in spf(8). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/policy.h"
#include "filters/spfcheck.h"
#include "lib/dns.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "spf [-r [-a answer]] [-s server] [-t seconds]"
#define ANSWER "550 5.7.23 Sender's domain does not let this client send for it"
#define SECONDS 10
#define SECONDS_MAX 60
#define LOCAL_MAX 64 /* bytes of a local part that are told */
#define DOMAIN_OF_NONE "postmaster"

struct state {
  struct policy policy;
  bool refuses;
  bool is_told; /* the result, to the stages behind */
  unsigned int limit_s;
  char const *result; /* of the transaction */
  struct dns dns;
  struct spfcheck check;
};

/* Who is to be checked, as an address: the sender, or for the null sender the
 * client's greeting. false: nobody that the DNS could know. */
static bool
identity(struct address const *sender, char const *helo, char *out)
{
  char mailbox[ADDRESS_MAX + 1];
  size_t at;
  size_t n = address_mailbox(sender, mailbox, &at);
  char const *domain = n ? mailbox + at + (at < n) : helo;
  size_t local = at < LOCAL_MAX ? at : LOCAL_MAX;
  if ((n && at == n) || !dns_is_name(domain, strlen(domain)) ||
      !strchr(domain, '.'))
    return false;
  if (n && at)
    sprintf(out, "%.*s@%s", (int)local, mailbox, domain);
  else
    sprintf(out, DOMAIN_OF_NONE "@%s", domain);
  return true;
}

static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct state *state = stage->state;
  char sender[LOCAL_MAX + DNS_NAME_MAX + 2];
  struct client const *client = &stage->client;
  char const *helo = client->helo;
  state->is_told = false;
  state->result = "none";
  if (!dns_is_name(helo, strlen(helo)))
    helo = "unknown";
  if (identity(&mail->address, helo, sender))
    state->result = spfcheck_run(&state->check, client->addr, helo, sender);
  if (state->refuses && !strcmp(state->result, "fail"))
    policy_apply(&state->policy, stage, "from", mail->address.text);
}

/* The note is the transaction's, so it has to come after MAIL. */
static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct state *state = stage->state;
  (void)rcpt;
  if (!state->is_told)
    stage_note(stage, "spf", state->result);
  state->is_told = true;
}

static void
set_option(struct state *state, int option, char const *text,
           char const **server)
{
  if (option == 'r')
    state->refuses = true;
  else if (option == 's')
    *server = text;
  else if (option == 't')
    state->limit_s = option_number32("-t", text, 1, SECONDS_MAX);
  else if (!policy_option(&state->policy, option, text))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
}

int
main(int argc, char const *const *argv)
{
  static struct state state = {.policy.answer = ANSWER, .limit_s = SECONDS};
  struct stage_handlers handlers = {.mail = on_mail, .rcpt = on_rcpt};
  subgetopt options = SUBGETOPT_ZERO;
  char const *server = NULL;
  process_begin("spf");
  for (int option;
       (option = subgetopt_r(argc, argv, "a:rs:t:", &options)) >= 0;)
    set_option(&state, option, options.arg, &server);
  if (argc > options.ind || (state.policy.seen_answer && !state.refuses))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (dns_start(&state.dns, server) == -1) {
    if (server && errno == EINVAL)
      option_refuse("-s", "an IP address", server);
    strerr_diefusys(EXIT_TEMPORARY, "prepare to ask the DNS");
  }
  if (spfcheck_begin(&state.check, &state.dns, state.limit_s) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "prepare to check senders");
  handlers.judges_sender = state.refuses;
  int result = stage_run(&handlers, &state);
  spfcheck_end(&state.check);
  dns_end(&state.dns);
  return result;
}
