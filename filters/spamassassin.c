/* spamassassin: a filter that has spamd judge each message, and says in its
 * header what spamd found. Specified in spamassassin(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/answer.h"
#include "filters/daemon.h"
#include "filters/spamd.h"
#include "filters/spamfield.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/spool.h"
#include "lib/stage.h"

#define USAGE "spamassassin [-p] [-s place] [-r score] [-m bytes] [-t seconds]"
#define PLACE "127.0.0.1:783"
#define REFUSED "554 5.7.1 Message refused"
#define SECONDS 120
#define SECONDS_MAX 86400
#define MESSAGE_MAX 512000
#define MESSAGE_MOST (1 << 30)

struct state {
  struct daemon daemon;
  unsigned int seconds;
  uint64_t most;
  bool passes;  /* what cannot be scanned */
  bool refuses; /* from this score on */
  int64_t limit;
  bool going_on; /* the message in hand is no longer kept */
  struct spamfield message;
  struct spool spool;
  struct spamd_verdict verdict;
};

static void
put(void *context, char const *bytes, size_t n)
{
  stage_write(context, bytes, n);
}

static void
log_problem(struct stage *stage, char const *event, char const *problem)
{
  struct log log;
  stage_log(stage, &log, event);
  log_string(&log, "problem", problem);
  log_write(&log);
}

/* The message that is kept goes on, without the client's X-Spam- fields. */
static void
pass(struct stage *stage)
{
  struct state *state = stage->state;
  struct spamfield_output const output = {put, stage};
  char const *bytes;
  size_t n;
  uint64_t at = 0;
  int got;
  while ((got = spool_get(&state->spool, at, &bytes, &n)) > 0) {
    spamfield_drop(&state->message, bytes, n, &output);
    at += n;
  }
  if (got < 0) {
    log_problem(stage, "not scanned", strerror(errno));
    stage_answer(stage, ANSWER_LATER);
  }
}

static void
do_body(struct stage *stage)
{
  struct state *state = stage->state;
  state->going_on = false;
  spool_clear(&state->spool);
  spamfield_begin(&state->message);
}

static void
do_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct state *state = stage->state;
  struct spamfield_output const output = {put, stage};
  if (!state->going_on && n > state->most - state->spool.bytes) {
    log_problem(stage, "passed unscanned", "the message is too big");
    state->going_on = true;
    pass(stage);
  }
  if (state->going_on) {
    spamfield_drop(&state->message, bytes, n, &output);
  } else if (spool_add(&state->spool, bytes, n) == -1) {
    /* With -p too: what was kept of it is lost. */
    log_problem(stage, "not scanned", strerror(errno));
    stage_answer(stage, ANSWER_LATER);
  }
}

static void
refuse(struct stage *stage)
{
  struct state *state = stage->state;
  int64_t score = state->verdict.score;
  int64_t size = score < 0 ? -score : score;
  char text[32];
  struct log log;
  snprintf(text, sizeof text, "%s%lld.%03lld", score < 0 ? "-" : "",
           (long long)(size / 1000), (long long)(size % 1000));
  stage_log(stage, &log, "refused");
  log_string(&log, "score", text);
  log_write(&log);
  stage_answer(stage, REFUSED);
}

static void
judge(struct stage *stage)
{
  struct state *state = stage->state;
  struct spamd_verdict *verdict = &state->verdict;
  struct spamfield_output const output = {put, stage};
  if (!spamd_judge(&state->daemon, &state->spool, state->seconds, verdict)) {
    if (state->passes) {
      log_problem(stage, "passed unscanned", verdict->problem);
      pass(stage);
    } else {
      log_problem(stage, "not scanned", verdict->problem);
      stage_answer(stage, ANSWER_LATER);
    }
  } else if (state->refuses && verdict->score >= state->limit) {
    refuse(stage);
  } else {
    spamfield_copy(&verdict->header, &output);
    pass(stage);
  }
}

static void
do_end(struct stage *stage)
{
  struct state *state = stage->state;
  struct spamfield_output const output = {put, stage};
  if (!state->going_on)
    judge(stage);
  spamfield_end(&state->message, &output);
}

static void
do_reset(struct stage *stage)
{
  struct state *state = stage->state;
  spool_clear(&state->spool);
}

static void
set_option(struct state *state, int option, char const *text)
{
  switch (option) {
  case 'p':
    state->passes = true;
    break;
  case 's':
    if (!daemon_place(&state->daemon, text))
      option_refuse("-s", DAEMON_PLACE, text);
    break;
  case 'r':
    state->refuses = true;
    if (!*text || spamd_score(text, &state->limit) != strlen(text))
      option_refuse("-r", "a score, as 5.0", text);
    break;
  case 'm':
    state->most = option_number("-m", text, 0, MESSAGE_MOST);
    break;
  case 't':
    state->seconds = option_number32("-t", text, 1, SECONDS_MAX);
    break;
  default:
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
}

int
main(int argc, char const *const *argv)
{
  static struct state state = {.seconds = SECONDS, .most = MESSAGE_MAX};
  static struct stage_handlers const handlers = {.holds_body = true,
                                                 .body = do_body,
                                                 .piece = do_piece,
                                                 .end = do_end,
                                                 .reset = do_reset};
  subgetopt options = SUBGETOPT_ZERO;
  process_begin("spamassassin");
  daemon_place(&state.daemon, PLACE);
  for (int option;
       (option = subgetopt_r(argc, argv, "m:pr:s:t:", &options)) >= 0;)
    set_option(&state, option, options.arg);
  if (argc > options.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  spool_begin(&state.spool, NULL, MESSAGE_MOST);
  return stage_run(&handlers, &state);
}
