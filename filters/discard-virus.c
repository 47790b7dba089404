/* discard-virus: a filter that lets nothing go further in which clamd finds
 * something. Specified in discard-virus(8). */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/answer.h"
#include "filters/clamd.h"
#include "filters/daemon.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/spool.h"
#include "lib/stage.h"

#define USAGE "discard-virus [-p] [-s place] [-a answer] [-t seconds]"
#define PLACE "/var/run/clamav/clamd.ctl"
#define SECONDS 120
#define SECONDS_MAX 86400
#define MESSAGE_MAX (1 << 30)

struct state {
  struct daemon daemon;
  unsigned int seconds;
  bool passes; /* what cannot be scanned */
  char const *answer;
  bool given_up; /* the message in hand goes on without a scan */
  struct spool spool;
};

static void
give_up(struct stage *stage, char const *problem)
{
  struct state *state = stage->state;
  struct log log;
  state->given_up = true;
  stage_log(stage, &log, state->passes ? "passed unscanned" : "not scanned");
  log_string(&log, "problem", problem);
  log_write(&log);
  if (!state->passes)
    stage_answer(stage, ANSWER_LATER);
}

static void
do_body(struct stage *stage)
{
  struct state *state = stage->state;
  state->given_up = false;
  spool_clear(&state->spool);
}

/* The message is kept, though the stages behind get it as it comes, and clamd
 * sees it only when it is whole: so a slow client does not hold one of clamd's
 * few threads. */
static void
do_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct state *state = stage->state;
  if (!state->given_up && spool_add(&state->spool, bytes, n) == -1)
    give_up(stage, strerror(errno));
}

static void
do_end(struct stage *stage)
{
  struct state *state = stage->state;
  struct log log;
  char text[CLAMD_TEXT];
  if (state->given_up)
    return;
  switch (clamd_scan(&state->daemon, &state->spool, state->seconds, text)) {
  case CLAMD_CLEAN:
    break;
  case CLAMD_FOUND:
    stage_log(stage, &log, "discarded");
    log_string(&log, "virus", text);
    log_string(&log, "answer", state->answer);
    log_write(&log);
    stage_answer(stage, state->answer);
    break;
  case CLAMD_FAILED:
    give_up(stage, text);
    break;
  }
}

static void
do_reset(struct stage *stage)
{
  struct state *state = stage->state;
  spool_clear(&state->spool);
}

int
main(int argc, char const *const *argv)
{
  static struct state state = {.seconds = SECONDS, .answer = ANSWER_DISCARDED};
  static struct stage_handlers const handlers = {
      .body = do_body, .piece = do_piece, .end = do_end, .reset = do_reset};
  subgetopt options = SUBGETOPT_ZERO;
  char const *place = PLACE;
  process_begin("discard-virus");
  for (int option;
       (option = subgetopt_r(argc, argv, "a:ps:t:", &options)) >= 0;) {
    if (option == 'p')
      state.passes = true;
    else if (option == 's')
      place = options.arg;
    else if (option == 'a')
      state.answer = option_answer("-a", options.arg);
    else if (option == 't')
      state.seconds = option_number32("-t", options.arg, 1, SECONDS_MAX);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc > options.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (!daemon_place(&state.daemon, place))
    option_refuse("-s", DAEMON_PLACE, place);
  spool_begin(&state.spool, NULL, MESSAGE_MAX);
  return stage_run(&handlers, &state);
}
