/* rcptcheck: a filter that accepts, refuses or marks recipients by rules.
 * Specified in rcptcheck(8). */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/rule.h"
#include "filters/ruleset.h"
#include "lib/address.h"
#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "rcptcheck [-f file] [-t address ...]"
#define CHECKED "CHECKED"
#define BAD_RULES_TOLD 10 /* by each stage of a pool, at each start */
#define PLACE_MAX (RULESET_PATH_MAX + 16)

struct state {
  char const *file;
  struct stage *stage; /* NULL but in the handler of a recipient... */
  struct address const *recipient; /* ... which this one is */
  struct ruleset rules;
  struct ruleset_hit hit;
};

/* Where a rule is: FILE:LINE, or FILE alone for line 0. */
static char const *
place(struct state const *state, uint32_t line, char out[PLACE_MAX])
{
  if (line)
    snprintf(out, PLACE_MAX, "%s:%lu", state->file, (unsigned long)line);
  else
    snprintf(out, PLACE_MAX, "%s", state->file);
  return out;
}

static void
start_log(struct state const *state, struct log *log, char const *event,
          uint32_t line)
{
  char at[PLACE_MAX];
  if (state->stage)
    stage_log(state->stage, log, event);
  else
    log_start(log, event);
  log_string(log, line ? "rule" : "file", place(state, line, at));
}

static void
report(void *data, uint32_t line, char const *event, char const *problem)
{
  struct state const *state = data;
  struct log log;
  start_log(state, &log, event, line);
  log_string(&log, "problem", problem);
  if (state->recipient)
    log_string(&log, "rcpt", state->recipient->text);
  log_write(&log);
}

static int
find(struct state *state, struct address const *address)
{
  char mailbox[ADDRESS_MAX + 1];
  size_t at;
  size_t n = address_mailbox(address, mailbox, &at);
  return ruleset_find(&state->rules, mailbox, n, at, &state->hit);
}

static void
refuse(struct state const *state, char const *answer)
{
  struct ruleset_hit const *hit = &state->hit;
  struct log log;
  start_log(state, &log, "refused", hit->number);
  log_string(&log, "code", rule_code_name(hit->rule.code));
  log_string(&log, "rcpt", state->recipient->text);
  log_write(&log);
  stage_answer(state->stage, answer);
}

static void
apply(struct state const *state)
{
  struct rule const *rule = &state->hit.rule;
  char answer[RULE_ANSWER_MAX];
  if (rule_answer(rule, answer)) {
    refuse(state, answer);
    return;
  }
  if (rule->code == RULE_OK)
    stage_parameter(state->stage, CHECKED, NULL);
  for (size_t i = 0; i < rule->notes; i++)
    stage_parameter(state->stage, "NOTE", rule->note[i]);
}

static void
on_rcpt(struct stage *stage, struct envelope_command const *command)
{
  struct state *state = stage->state;
  if (command_parameter(command, CHECKED, 0))
    return;
  state->stage = stage;
  state->recipient = &command->address;
  int r = find(state, &command->address);
  if (r < 0) {
    report(state, 0, "unable to read rules", strerror(errno));
    stage_answer(stage, "451 4.3.0 Temporary failure, try again later");
  } else if (r) {
    apply(state);
  }
  state->stage = NULL;
  state->recipient = NULL;
}

/* -t: say which rule decides for an address. 0 if it cannot be told. */
static int
test(struct state *state, char const *text)
{
  struct address address;
  struct log log;
  char at[PLACE_MAX];
  size_t n = strlen(text);
  size_t parsed = address_parse(text, n, ADDRESS_LAX, &address);
  if (!parsed || parsed != n || !address.length) {
    log_start(&log, "no address");
    log_string(&log, "text", text);
    log_write(&log);
    return 0;
  }
  int r = find(state, &address);
  if (r < 0)
    strerr_diefusys(EXIT_TEMPORARY, "read rules from ", state->file);
  if (r)
    printf("%s: %s: %.*s\n", text, place(state, state->hit.number, at),
           (int)state->hit.line_bytes, state->hit.line);
  else
    printf("%s: no rule matches\n", text);
  return 1;
}

static int
test_all(struct state *state, char const *const *addresses)
{
  int code = EXIT_DONE;
  for (; *addresses; addresses++)
    if (!test(state, *addresses))
      code = EXIT_PERMANENT;
  if (fflush(stdout) == EOF)
    strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
  return code;
}

int
main(int argc, char const *const *argv)
{
  static struct state state;
  static char path[RULESET_PATH_MAX + 1];
  struct stage_handlers const handlers = {.rcpt = on_rcpt};
  struct ruleimage_reporter reporter = {
      .report = report, .data = &state, .bad_most = BAD_RULES_TOLD};
  subgetopt options = SUBGETOPT_ZERO;
  bool testing = false;

  process_begin("rcptcheck");
  for (int option; (option = subgetopt_r(argc, argv, "f:t", &options)) >= 0;) {
    if (option == 'f')
      state.file = options.arg;
    else if (option == 't') {
      testing = true;
      reporter.bad_most = UINT64_MAX;
    } else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  argv += options.ind;
  if (testing != (*argv != NULL))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (!state.file) {
    if (control_path("rcptcheck", path, sizeof path) < 0)
      strerr_diefusys(EXIT_TEMPORARY, "make the path of ", "rcptcheck");
    state.file = path;
  }
  if (!ruleset_load(&state.rules, state.file, &reporter))
    strerr_diefusys(EXIT_TEMPORARY, "read rules from ", state.file);
  if (testing)
    return test_all(&state, argv);
  return stage_run(&handlers, &state);
}
