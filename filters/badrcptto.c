/* badrcptto: a filter that refuses recipients on a list.
 * Specified in badrcptto(8). */
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/addresslist.h"
#include "filters/policy.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "badrcptto [-a answer | -n name] [-f file]"
#define ANSWER "550 5.7.1 Recipient refused"

struct state {
  struct policy policy;
  struct addresslist list;
};

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct state *state = stage->state;
  char mailbox[ADDRESS_MAX + 1];
  size_t at;
  size_t n = address_mailbox(&rcpt->address, mailbox, &at);
  if (addresslist_has_mailbox(&state->list, mailbox, n, at))
    policy_apply(&state->policy, stage, "rcpt", rcpt->address.text);
}

int
main(int argc, char const *const *argv)
{
  static struct state state = {.policy.answer = ANSWER};
  static struct stage_handlers const handlers = {.rcpt = on_rcpt};
  subgetopt options = SUBGETOPT_ZERO;
  char path[CONTROL_VALUE_MAX];
  char const *file = NULL;
  process_begin("badrcptto");
  for (int option;
       (option = subgetopt_r(argc, argv, "a:f:n:", &options)) >= 0;) {
    if (option == 'f')
      file = options.arg;
    else if (!policy_option(&state.policy, option, options.arg))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc > options.ind || !policy_is_sound(&state.policy))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (!file && control_path("badrcptto", path, sizeof path) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "make the path of ", "badrcptto");
  if (addresslist_load(&state.list, file ? file : path) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "read ", file ? file : path);
  return stage_run(&handlers, &state);
}
