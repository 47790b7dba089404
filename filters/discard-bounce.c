/* discard-bounce: a filter that lets no bounce and no automatic reply go
 * further. Specified in discard-bounce(8). */
#include <stdbool.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/answer.h"
#include "filters/bouncerule.h"
#include "filters/header.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "discard-bounce [-a answer] [-r rule,...]"

struct state {
  char const *answer;
  unsigned int rules;
  struct address sender;
  bool judged;
  struct header header;
};

static void
do_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct state *state = stage->state;
  state->sender = mail->address;
}

static void
do_body(struct stage *stage)
{
  struct state *state = stage->state;
  state->judged = false;
  header_start(&state->header);
}

/* The header is as complete as it gets: let it go on, or answer. Returns
 * whether it went on. */
static bool
judge(struct stage *stage)
{
  struct state *state = stage->state;
  bool from_daemon = bouncerule_is_daemon(&state->sender);
  char const *rule = bouncerule_find(&state->header, from_daemon, state->rules);
  struct log log;
  state->judged = true;
  if (!rule) {
    stage_write(stage, state->header.text, state->header.used);
    return true;
  }
  stage_log(stage, &log, "discarded");
  log_string(&log, "rule", rule);
  log_string(&log, "answer", state->answer);
  log_string(&log, "sender", state->sender.text);
  log_write(&log);
  stage_answer(stage, state->answer);
  return false;
}

static void
do_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct state *state = stage->state;
  size_t taken = 0;
  if (!state->judged) {
    taken = header_feed(&state->header, bytes, n);
    if (!state->header.complete || !judge(stage))
      return;
  }
  stage_write(stage, bytes + taken, n - taken);
}

static void
do_end(struct stage *stage)
{
  struct state *state = stage->state;
  if (!state->judged)
    judge(stage);
}

int
main(int argc, char const *const *argv)
{
  static struct state state = {.answer = ANSWER_DISCARDED,
                               .rules = BOUNCERULE_ALL};
  static struct stage_handlers const handlers = {.holds_body = true,
                                                 .mail = do_mail,
                                                 .body = do_body,
                                                 .piece = do_piece,
                                                 .end = do_end};
  subgetopt options = SUBGETOPT_ZERO;
  process_begin("discard-bounce");
  for (int option; (option = subgetopt_r(argc, argv, "a:r:", &options)) >= 0;) {
    if (option == 'a')
      state.answer = option_answer("-a", options.arg);
    else if (option != 'r' || !bouncerule_set(options.arg, &state.rules))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc > options.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return stage_run(&handlers, &state);
}
