#include "tests/unit/tap.h"

#include <string.h>

#include <skalibs/strerr.h>

#include "lib/log.h"
#include "lib/stage.h"
#include "lib/stageloop.h"
#include "tests/unit/child.h"

#define HEAD "MAIL FROM:<>\n"

/* What the handler of RCPT does. */
struct act {
  char const *answer;
  char const *parameter; /* so many times, name and value by turns */
  size_t times;
  char const *note;
  bool log; /* a line */
};

static struct act const *act;

static void
do_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  (void)rcpt;
  if (act->answer)
    stage_answer(stage, act->answer);
  for (size_t i = 0; i < act->times; i++)
    stage_parameter(stage, "N", act->parameter);
  if (act->note)
    stage_note(stage, "k", act->note);
  if (act->log) {
    struct log log;
    stage_log(stage, &log, "event");
    log_write(&log);
  }
}

static int
run(void const *data)
{
  static struct stage_handlers const handlers = {.rcpt = do_rcpt};
  act = data;
  PROG = "unit";
  return stage_run(&handlers, NULL);
}

static char const *
output_of(struct act const *of, char const *in)
{
  struct child const *child = child_run(run, of, in, strlen(in));
  tap_ok(!child->code && !child->errors_bytes, "it ends well");
  return child->output;
}

static void
test_answers(void)
{
  char text[ANSWER_MAX + 2];
  char wanted[2 * ANSWER_MAX];
  for (size_t n = ANSWER_MAX - 1; n <= ANSWER_MAX + 1; n++) {
    struct act const of = {.answer = text};
    size_t kept = n < ANSWER_MAX ? n : ANSWER_MAX;
    memset(text, 'x', n);
    memcpy(text, "250 ", 4);
    text[n] = 0;
    snprintf(wanted, sizeof wanted, HEAD "%.*s\n", (int)kept, text);
    tap_is_string(output_of(&of, HEAD "RCPT TO:<a>\n"), wanted,
                  "an answer of the longest length, one less, one more");
  }
  struct act const odd = {.answer = "550 a\nb\r\t\x7f\xff~"};
  tap_is_string(output_of(&odd, HEAD "RCPT TO:<a>\n"), HEAD "550 a?b????~\n",
                "an answer stays one line");
}

/* Parameters that need so many bytes, one for each blank. */
static void
test_parameter_bytes(void)
{
  char value[PARAMETERS_MAX];
  char wanted[2 * PARAMETERS_MAX];
  for (size_t n = PARAMETERS_MAX - 1; n <= PARAMETERS_MAX + 1; n++) {
    struct act const of = {.parameter = value, .times = 1};
    memset(value, 'v', n - 3);
    value[n - 3] = 0; /* " N=" */
    snprintf(wanted, sizeof wanted, HEAD "RCPT TO:<a>%s%s\n",
             n > PARAMETERS_MAX ? "" : " N=", n > PARAMETERS_MAX ? "" : value);
    tap_is_string(output_of(&of, HEAD "RCPT TO:<a>\n"), wanted,
                  "parameters of the most bytes, one less, one more");
  }
}

/* A RCPT line with so many parameters. */
static char const *
recipient(size_t parameters)
{
  static char line[1000];
  strcpy(line, HEAD "RCPT TO:<a>");
  for (size_t i = 0; i < parameters; i++)
    strcat(line, " P=1");
  return strcat(line, "\n");
}

static void
test_parameter_count(void)
{
  for (size_t n = COMMAND_PARAMETERS_MAX - 1; n <= COMMAND_PARAMETERS_MAX + 1;
       n++) {
    struct act const of = {.parameter = NULL, .times = 2};
    char const *line = recipient(n - 2);
    char wanted[1000] = HEAD "552 5.5.4 too many parameters\n";
    if (n <= COMMAND_PARAMETERS_MAX)
      snprintf(wanted, sizeof wanted, "%.*s N N\n", (int)strlen(line) - 1,
               line);
    tap_is_string(output_of(&of, line), wanted,
                  "the most parameters, one less, one more");
  }
}

/* A line that with what is added has the longest length. */
static void
test_line_bytes(void)
{
  static char line[COMMAND_LINE_MAX + 100];
  static char wanted[COMMAND_LINE_MAX + 100];
  for (size_t n = COMMAND_LINE_MAX - 1; n <= COMMAND_LINE_MAX + 1; n++) {
    struct act const of = {.parameter = "v", .times = 2};
    int used = snprintf(line, sizeof line, HEAD "RCPT TO:<a> P=");
    size_t length = n - strlen(" N=v N=v\n") + strlen(HEAD);
    memset(line + used, 'p', length - (size_t)used);
    strcpy(line + length, "\n");
    strcpy(wanted, HEAD "552 5.5.4 too many parameters\n");
    if (n <= COMMAND_LINE_MAX)
      snprintf(wanted, sizeof wanted, "%.*s N=v N=v\n", (int)length, line);
    tap_is_string(output_of(&of, line), wanted,
                  "the longest line, one less, one more");
  }
}

static void
test_notes(void)
{
  static char value[COMMAND_NOTE_VALUE_MAX + 2];
  static char wanted[5 * COMMAND_NOTE_VALUE_MAX];
  for (size_t n = COMMAND_NOTE_VALUE_MAX - 1; n <= COMMAND_NOTE_VALUE_MAX + 1;
       n++) {
    struct act const of = {.note = value};
    char *p = wanted + sprintf(wanted, HEAD);
    memset(value, '\n', n);
    value[n] = 0;
    if (n <= COMMAND_NOTE_VALUE_MAX) {
      p += sprintf(p, "XNOTE k=");
      for (size_t i = 0; i < n; i++)
        p += sprintf(p, "+0A");
      p += sprintf(p, "\n");
    }
    sprintf(p, "RCPT TO:<a>\n");
    tap_is_string(output_of(&of, HEAD "RCPT TO:<a>\n"), wanted,
                  "the longest note, one less, one more");
  }
}

static void
test_sessions(void)
{
  struct act const of = {.log = true};
  for (size_t n = STAGE_SESSION_MAX - 1; n <= STAGE_SESSION_MAX + 1; n++) {
    char id[STAGE_SESSION_MAX + 2], in[300], wanted[300];
    memset(id, 's', n);
    id[n] = 0;
    snprintf(in, sizeof in, "XNOTE session=%s\n" HEAD "RCPT TO:<a>\n", id);
    snprintf(wanted, sizeof wanted, "unit: event%s%s\n",
             n > STAGE_SESSION_MAX ? "" : " session=",
             n > STAGE_SESSION_MAX ? "" : id);
    tap_is_string(child_run(run, &of, in, strlen(in))->errors, wanted,
                  "the longest session id, one less, one more");
  }
}

int
main(void)
{
  test_answers();
  test_parameter_bytes();
  test_parameter_count();
  test_line_bytes();
  test_notes();
  test_sessions();
  return tap_done();
}
