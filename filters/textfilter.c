/* textfilter: a filter that has a program change or judge each message.
 * Specified in textfilter(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/answer.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/program.h"
#include "lib/spool.h"
#include "lib/stage.h"

#define USAGE "textfilter [-m bytes] [-t seconds] program [argument ...]"
#define REFUSED "554 5.7.1 Message refused"
#define SECONDS 120
#define SECONDS_MAX 86400
#define OUTPUT_MAX (1 << 26)
#define MESSAGE_MAX (1 << 30)
#define PROBLEM_MAX 128

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
  if (spool_add(&state->in, bytes, n) == -1)
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

/* Whether it has judged the message; if not, problem says why. */
static bool
run(struct program *program, char problem[PROBLEM_MAX])
{
  int result = program_run(program);
  int status = program->status;
  if (program->timed_out)
    snprintf(problem, PROBLEM_MAX, "timed out after %u s", program->limit_s);
  else if (result == -1)
    snprintf(problem, PROBLEM_MAX, "unable to %s: %s", program->action,
             strerror(errno));
  else if (WIFSIGNALED(status))
    snprintf(problem, PROBLEM_MAX, "killed by signal %d", WTERMSIG(status));
  else
    snprintf(problem, PROBLEM_MAX, "exit code %d", WEXITSTATUS(status));
  return !program->timed_out && result == 0 && WIFEXITED(status) &&
         (WEXITSTATUS(status) == EXIT_DONE ||
          WEXITSTATUS(status) == EXIT_PERMANENT);
}

static void
do_end(struct stage *stage)
{
  struct state *state = stage->state;
  struct program *program = &state->program;
  char problem[PROBLEM_MAX];
  program->in = spool_file(&state->in);
  if (program->in == -1)
    give_up(stage, strerror(errno));
  else if (!run(program, problem))
    give_up(stage, problem);
  else if (WEXITSTATUS(program->status) == EXIT_DONE)
    pass_output(stage);
  else
    refuse(stage);
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
  static struct state state = {.program.limit_s = SECONDS};
  static struct stage_handlers const handlers = {
      .holds_body = true, .piece = do_piece, .end = do_end, .reset = do_reset};
  subgetopt options = SUBGETOPT_ZERO;
  uint64_t output_max = OUTPUT_MAX;
  process_begin("textfilter");
  for (int option; (option = subgetopt_r(argc, (char const *const *)argv,
                                         "m:t:", &options)) >= 0;) {
    if (option == 'm')
      output_max = option_number("-m", options.arg, 0, UINT64_MAX);
    else if (option == 't')
      state.program.limit_s =
          option_number32("-t", options.arg, 1, SECONDS_MAX);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  state.program.arguments = argv + options.ind;
  if (!state.program.arguments[0])
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  spool_begin(&state.in, NULL, MESSAGE_MAX);
  spool_begin(&state.out, NULL, output_max);
  state.program.output = &state.out;
  program_prepare();
  return stage_run(&handlers, &state);
}
