/* rcpthosts: a filter that refuses recipients whose domain is on no list.
 * Specified in rcpthosts(8). */
#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/addresslist.h"
#include "filters/cdbfile.h"
#include "filters/policy.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "rcpthosts [-a answer | -n name] | -c"
#define ANSWER "550 5.7.1 Relaying denied"

struct state {
  struct policy policy;
  struct addresslist list;
  struct addresslist more; /* if has_more */
  bool has_more;
  char path[CONTROL_VALUE_MAX];
  char more_path[CONTROL_VALUE_MAX];
};

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct state *state = stage->state;
  char mailbox[ADDRESS_MAX + 1];
  size_t at;
  size_t n = address_mailbox(&rcpt->address, mailbox, &at);
  if (at >= n)
    return;
  char const *domain = mailbox + at + 1;
  n -= at + 1;
  int found = addresslist_has_domain(&state->list, domain, n);
  if (!found && state->has_more)
    found = addresslist_has_domain(&state->more, domain, n);
  if (found < 0)
    policy_fail(stage, state->more_path);
  else if (!found)
    policy_apply(&state->policy, stage, "rcpt", rcpt->address.text);
}

static void
set_path(char const *name, char *path)
{
  if (control_path(name, path, CONTROL_VALUE_MAX) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "make the path of ", name);
}

static int
compile(struct state *state)
{
  struct rulecdb_maker maker;
  struct cdbfile_failure failure;
  struct stat status;
  set_path("morercpthosts", state->path);
  if (stat(state->path, &status) == -1 ||
      addresslist_compile(&maker, state->path) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "read ", state->path);
  if (!rulecdb_finish(&maker))
    strerr_diefusys(EXIT_TEMPORARY, "compile ", state->path);
  if (cdbfile_write(state->more_path, &maker, &status, &failure) == -1)
    strerr_diefusys(EXIT_TEMPORARY, failure.action, failure.path);
  rulecdb_free(&maker);
  return EXIT_DONE;
}

int
main(int argc, char const *const *argv)
{
  static struct state state = {.policy.answer = ANSWER};
  static struct stage_handlers const handlers = {.rcpt = on_rcpt};
  subgetopt options = SUBGETOPT_ZERO;
  bool compiles = false;
  process_begin("rcpthosts");
  for (int option;
       (option = subgetopt_r(argc, argv, "a:cn:", &options)) >= 0;) {
    if (option == 'c')
      compiles = true;
    else if (!policy_option(&state.policy, option, options.arg))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc > options.ind || !policy_is_sound(&state.policy) ||
      (compiles && (state.policy.note || state.policy.seen_answer)))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  set_path("morercpthosts.cdb", state.more_path);
  if (compiles)
    return compile(&state);
  set_path("rcpthosts", state.path);
  if (addresslist_load(&state.list, state.path) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "read ", state.path);
  state.has_more = addresslist_open(&state.more, state.more_path) == 0;
  if (!state.has_more && errno != ENOENT)
    strerr_diefusys(EXIT_TEMPORARY, "read ", state.more_path);
  return stage_run(&handlers, &state);
}
