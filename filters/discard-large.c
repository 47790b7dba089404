/* discard-large: a filter that lets no message over a size go further.
 * Specified in discard-large(8). */
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/answer.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "discard-large -b bytes [-a answer]"

struct state {
  uint64_t most;
  uint64_t seen; /* of the message in hand */
  char const *answer;
};

static void
do_body(struct stage *stage)
{
  struct state *state = stage->state;
  state->seen = 0;
}

static void
do_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct state *state = stage->state;
  struct log log;
  (void)bytes;
  state->seen += n;
  if (state->seen <= state->most)
    return;
  stage_log(stage, &log, "discarded");
  log_string(&log, "rule", "size");
  log_number(&log, "most", state->most);
  log_string(&log, "answer", state->answer);
  log_write(&log);
  stage_answer(stage, state->answer);
}

int
main(int argc, char const *const *argv)
{
  static struct state state = {.answer = ANSWER_DISCARDED};
  static struct stage_handlers const handlers = {.body = do_body,
                                                 .piece = do_piece};
  subgetopt options = SUBGETOPT_ZERO;
  bool has_size = false;
  process_begin("discard-large");
  for (int option; (option = subgetopt_r(argc, argv, "a:b:", &options)) >= 0;) {
    if (option == 'a')
      state.answer = option_answer("-a", options.arg);
    else if (option == 'b') {
      state.most = option_number("-b", options.arg, 0, UINT64_MAX);
      has_size = true;
    } else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (!has_size || argc > options.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  return stage_run(&handlers, &state);
}
