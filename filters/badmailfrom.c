/* badmailfrom: a filter that refuses senders on a list.
 * Specified in badmailfrom(8). */
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/addresslist.h"
#include "filters/policy.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "badmailfrom [-a answer | -n name] [-f file]"
#define ANSWER "553 5.7.1 Sender refused"

struct state {
  struct policy policy;
  struct addresslist list;
  struct address sender; /* of the transaction, if it is on the list; or none */
};

static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct state *state = stage->state;
  char mailbox[ADDRESS_MAX + 1];
  size_t at;
  size_t n = address_mailbox(&mail->address, mailbox, &at);
  state->sender.length = 0;
  if (!n || !addresslist_has_mailbox(&state->list, mailbox, n, at))
    return;
  state->sender = mail->address;
  if (!state->policy.note)
    policy_apply(&state->policy, stage, "from", state->sender.text);
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
  static struct state state = {.policy.answer = ANSWER};
  struct stage_handlers handlers = {.mail = on_mail};
  subgetopt options = SUBGETOPT_ZERO;
  char path[CONTROL_VALUE_MAX];
  char const *file = NULL;
  process_begin("badmailfrom");
  for (int option;
       (option = subgetopt_r(argc, argv, "a:f:n:", &options)) >= 0;) {
    if (option == 'f')
      file = options.arg;
    else if (!policy_option(&state.policy, option, options.arg))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc > options.ind || !policy_is_sound(&state.policy))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (!file && control_path("badmailfrom", path, sizeof path) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "make the path of ", "badmailfrom");
  if (addresslist_load(&state.list, file ? file : path) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "read ", file ? file : path);
  handlers.judges_sender = !state.policy.note;
  handlers.rcpt = state.policy.note ? on_rcpt : NULL;
  return stage_run(&handlers, &state);
}
