/* textfilter: a filter that has a program change or judge each message.
 * Specified in textfilter(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "filters/answer.h"
#include "filters/program.h"
#include "filters/spool.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "textfilter [-m bytes] [-t seconds] program [argument ...]"
#define REFUSED "554 5.7.1 Message refused"
#define SECONDS 120
#define SECONDS_MAX 86400
#define OUTPUT_MAX (1 << 26)
#define MESSAGE_MAX (1 << 30)

struct state {
  struct program program;
  struct spool in;
  struct spool out;
};

static void
give_up(struct stage *stage, char const *problem)
{
  struct state *state = stage->state;
  struct log log;
  stage_log(stage, &log, "not filtered");
  log_string(&log, "program", state->program.arguments[0]);
  log_string(&log, "problem", problem);
  log_write(&log);
  stage_answer(stage, ANSWER_LATER);
}

static void
do_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct state *state = stage->state;
  if (!spool_add(&state->in, bytes, n))
    give_up(stage, strerror(errno));
}

static void
pass_output(struct stage *stage)
{
  struct state *state = stage->state;
  char const *bytes;
  size_t n;
  uint64_t at = 0;
  int got;
  while ((got = spool_get(&state->out, at, &bytes, &n)) > 0) {
    stage_write(stage, bytes, n);
    at += n;
  }
  if (got < 0)
    give_up(stage, strerror(errno));
}

static void
refuse(struct stage *stage)
{
  struct state *state = stage->state;
  struct log log;
  stage_log(stage, &log, "refused");
  log_string(&log, "program", state->program.arguments[0]);
  log_write(&log);
  stage_answer(stage, REFUSED);
}

static void
do_end(struct stage *stage)
{
  struct state *state = stage->state;
  int code = program_run(&state->program);
  if (code == EXIT_DONE) {
    pass_output(stage);
  } else if (code == EXIT_PERMANENT) {
    refuse(stage);
  } else {
    if (code > 0)
      snprintf(state->program.problem, PROGRAM_PROBLEM, "exit code %d", code);
    give_up(stage, state->program.problem);
  }
}

static void
do_reset(struct stage *stage)
{
  struct state *state = stage->state;
  spool_clear(&state->in);
  spool_clear(&state->out);
}

int
main(int argc, char **argv)
{
  static struct state state = {.program.seconds = SECONDS};
  static struct stage_handlers const handlers = {
      .holds_body = true, .piece = do_piece, .end = do_end, .reset = do_reset};
  subgetopt options = SUBGETOPT_ZERO;
  uint64_t output_max = OUTPUT_MAX;
  process_begin("textfilter");
  for (int option; (option = subgetopt_r(argc, (char const *const *)argv,
                                         "m:t:", &options)) >= 0;) {
    bool is_good =
        (option == 'm' && uint640_scan(options.arg, &output_max)) ||
        (option == 't' && uint0_scan(options.arg, &state.program.seconds) &&
         state.program.seconds && state.program.seconds <= SECONDS_MAX);
    if (!is_good)
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  state.program.arguments = argv + options.ind;
  if (!state.program.arguments[0])
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  spool_begin(&state.in, MESSAGE_MAX);
  spool_begin(&state.out, output_max);
  state.program.in = &state.in;
  state.program.out = &state.out;
  return stage_run(&handlers, &state);
}
