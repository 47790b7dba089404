/* cleanup: a filter that drops header fields by rules. Specified in
 * cleanup(8). */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/header.h"
#include "filters/ruleregex.h"
#include "lib/ascii.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "cleanup [-r file]"
#define RULES_MAX 1000
#define FIELD_MAX 4096 /* bytes of a field that rules see */

struct state {
  size_t rules;
  pcre2_code *rule[RULES_MAX];
  char *text[RULES_MAX + 1];
  struct ruleregex regex;
  struct header header;
  char field[FIELD_MAX]; /* unfolded */
  uint64_t dropped;      /* of the message in hand */
  bool failed;           /* in it, a match: said once */
  bool late;             /* it has had its time: the rest goes on as it is */
};

/* The field at *at, folded lines and all; *at is moved behind it. */
static size_t
next_field(struct header const *header, size_t *at)
{
  size_t begin = *at;
  do {
    char const *lf = memchr(header->text + *at, '\n', header->used - *at);
    *at = lf ? (size_t)(lf + 1 - header->text) : header->used;
  } while (*at < header->used && ascii_is_blank(header->text[*at]));
  return begin;
}

/* The n bytes of a field as rules see them: no line ends, and one blank for a
 * fold. Returns how many these are. */
static size_t
unfold(char const *text, size_t n, char *out)
{
  size_t used = 0;
  for (size_t i = 0; i < n && used < FIELD_MAX; i++) {
    if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
      continue;
    if (text[i] != '\n') {
      out[used++] = text[i];
      continue;
    }
    while (i + 1 < n && ascii_is_blank(text[i + 1]))
      i++;
    if (i + 1 < n)
      out[used++] = ' ';
  }
  return used;
}

static void
log_failure(struct stage *stage, char const *rule, char const *problem)
{
  struct log log;
  stage_log(stage, &log, "rule not applied");
  log_string(&log, "rule", rule);
  log_string(&log, "error", problem);
  log_write(&log);
}

/* As ruleregex_match() with what is in field. The log has a line of the first
 * failure, and one when the message's time is over. */
static int
try_rule(struct stage *stage, size_t i, size_t n)
{
  struct state *state = stage->state;
  char const *problem;
  int r =
      ruleregex_match(&state->regex, state->rule[i], state->field, n, &problem);
  state->late = ruleregex_is_late(&state->regex);
  if (state->late)
    problem = "time limit, for the rest of the header too";
  if (state->late || (r == -1 && !state->failed))
    log_failure(stage, state->text[i], problem);
  state->failed = state->failed || r == -1;
  return r;
}

static bool
is_dropped(struct stage *stage, char const *text, size_t n)
{
  struct state *state = stage->state;
  n = unfold(text, n, state->field);
  if (!n)
    return false; /* the header's end */
  for (size_t i = 0; i < state->rules && !state->late; i++)
    if (try_rule(stage, i, n) == 1)
      return true;
  return false;
}

/* What is held goes on, but for what is dropped of it. */
static void
pass_header(struct stage *stage)
{
  struct state *state = stage->state;
  struct header const *header = &state->header;
  ruleregex_begin(&state->regex);
  for (size_t at = 0; at < header->used;) {
    size_t begin = next_field(header, &at);
    bool whole = at < HEADER_MAX;
    if (whole && is_dropped(stage, header->text + begin, at - begin))
      state->dropped++;
    else
      stage_write(stage, header->text + begin, at - begin);
  }
}

static void
do_body(struct stage *stage)
{
  struct state *state = stage->state;
  header_start(&state->header);
  state->dropped = 0;
  state->failed = state->late = false;
}

static void
do_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct state *state = stage->state;
  size_t taken = 0;
  if (!state->header.complete) {
    taken = header_feed(&state->header, bytes, n);
    if (state->header.complete)
      pass_header(stage);
  }
  stage_write(stage, bytes + taken, n - taken);
}

static void
do_end(struct stage *stage)
{
  struct state *state = stage->state;
  struct log log;
  if (!state->header.complete)
    pass_header(stage);
  if (!state->dropped)
    return;
  stage_log(stage, &log, "cleaned");
  log_number(&log, "fields", state->dropped);
  log_write(&log);
}

static void
read_rules(struct state *state, char const *file)
{
  char problem[RULEREGEX_PROBLEM_MAX];
  int n = control_list(file, state->text, RULES_MAX + 1);
  if (n < 0)
    strerr_dief(EXIT_TEMPORARY, control_error());
  for (size_t i = 0; i < (size_t)n; i++) {
    state->rule[i] =
        ruleregex_compile(state->text[i], strlen(state->text[i]), problem);
    if (!state->rule[i])
      strerr_dief(EXIT_TEMPORARY, "rule ", state->text[i], ": ", problem);
  }
  state->rules = (size_t)n;
  if (!ruleregex_init(&state->regex))
    strerr_diefusys(EXIT_TEMPORARY, "get memory");
}

int
main(int argc, char const *const *argv)
{
  static struct state state;
  static struct stage_handlers const handlers = {
      .holds_body = true, .body = do_body, .piece = do_piece, .end = do_end};
  subgetopt options = SUBGETOPT_ZERO;
  char const *file = "cleanup";
  process_begin("cleanup");
  for (int option; (option = subgetopt_r(argc, argv, "r:", &options)) >= 0;) {
    if (option != 'r' || !options.arg[0] || strchr(options.arg, '/'))
      strerr_dieusage(EXIT_PERMANENT, USAGE);
    file = options.arg;
  }
  if (argc > options.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  read_rules(&state, file);
  return stage_run(&handlers, &state);
}
