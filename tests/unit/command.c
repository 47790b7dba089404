#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "lib/command.h"

#define BYTES(literal) literal, sizeof literal - 1

static char const *
numbered(char const *what, size_t i)
{
  static char name[128];
  snprintf(name, sizeof name, "%s, case %zu", what, i);
  return name;
}

static void
test_verbs(void)
{
  static struct {
    char const *line;
    size_t n;
    enum verb verb;
    size_t rest;
  } const cases[] = {
      {BYTES(""), VERB_OTHER, 0},
      {BYTES(" "), VERB_OTHER, 1},
      {BYTES("MAIL FROM:<>"), VERB_MAIL, 5},
      {BYTES("mail\t FROM:<>"), VERB_MAIL, 6},
      {BYTES("Rcpt TO:<a@b>"), VERB_RCPT, 5},
      {BYTES("BDAT 13 LAST"), VERB_BDAT, 5},
      {BYTES("BDAT"), VERB_BDAT, 4},
      {BYTES("RSET"), VERB_RSET, 4},
      {BYTES("RSET "), VERB_RSET, 5},
      {BYTES("rset now"), VERB_RSET, 5},
      {BYTES("XCLIENT ADDR=192.0.2.1"), VERB_XCLIENT, 8},
      {BYTES("xnote a=b"), VERB_XNOTE, 6},
      {BYTES("NOOP x"), VERB_OTHER, 5},
      {BYTES(" MAIL FROM:<>"), VERB_OTHER, 1},
      {BYTES("MAILFROM:<>"), VERB_OTHER, 11},
      {BYTES("MAI"), VERB_OTHER, 3},
      {BYTES("MAILS"), VERB_OTHER, 5},
      {BYTES("RSET\r"), VERB_OTHER, 5},
      {BYTES("RSET\0"), VERB_OTHER, 5},
      {BYTES("RS\0T"), VERB_OTHER, 4},
      {BYTES("RSET\0 x"), VERB_OTHER, 6},
      {BYTES("250 ok"), VERB_ANSWER, 0},
      {BYTES("!550 no"), VERB_ANSWER, 0},
      {BYTES("250"), VERB_ANSWER, 0},
      {BYTES("250-ok"), VERB_OTHER, 6},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t rest = 99;
    enum verb verb = command_verb(cases[i].line, cases[i].n, &rest);
    tap_is_number(verb, cases[i].verb, numbered("verb", i));
    tap_is_number((long long)rest, (long long)cases[i].rest,
                  numbered("what follows it", i));
  }
}

static void
test_answers(void)
{
  static char const *const good[] = {"250 ok", "250",     "250 ", "200\t",
                                     "599 x",  "!550 no", "!421", "354 go on"};
  static char const *const bad[] = {
      "",       "!",     "25",      "!25",    "199 x",   "600 x",
      "2500 x", "250-x", "250x",    " 250 x", "2a0 x",   "25a x",
      "!!550",  "! 550", "550! no", "-250 x", "25\xb2 x"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    tap_ok(command_is_answer(good[i], strlen(good[i])), "answer: %s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    tap_ok(!command_is_answer(bad[i], strlen(bad[i])), "no answer: %s", bad[i]);
  tap_ok(!command_is_answer("250 ok", 2), "nothing is read behind the end");
  tap_ok(command_is_answer("250ok", 3), "... of the line");
}

static void
test_envelope(void)
{
  static struct {
    enum verb verb;
    char const *text;
    size_t n;
    int lax, strict; /* -1: refused, else the number of parameters */
    char const *address;
  } const cases[] = {
      {VERB_MAIL, BYTES("FROM:<a@b>"), 0, 0, "a@b"},
      {VERB_MAIL, BYTES("from:<a@b>"), 0, 0, "a@b"},
      {VERB_MAIL, BYTES("FROM:<>"), 0, 0, ""},
      {VERB_MAIL, BYTES("FROM:<> SIZE=1 BODY=8BITMIME"), 2, 2, ""},
      {VERB_MAIL, BYTES("FROM:<a@b>  SIZE=1\t SMTPUTF8 "), 2, 2, "a@b"},
      {VERB_MAIL, BYTES("FROM: <a@b>"), 0, -1, "a@b"},
      {VERB_MAIL, BYTES("FROM:a@b SIZE=1"), 1, -1, "a@b"},
      {VERB_MAIL, BYTES("FROM: a@b"), 0, -1, "a@b"},
      {VERB_MAIL, BYTES("FROM:<a@b>SIZE=1"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM:User <a@b>"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM:<a@b> <c@d>"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM:<a@b> SIZE=1\0"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM:<a@b> SIZE=1\r"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM:<a@b> \r"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM:<a\0@b>"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM:"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM: "), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM"), -1, -1, NULL},
      {VERB_MAIL, BYTES("FROM <a@b>"), -1, -1, NULL},
      {VERB_MAIL, BYTES(""), -1, -1, NULL},
      {VERB_MAIL, BYTES("TO:<a@b>"), -1, -1, NULL},
      {VERB_RCPT, BYTES("TO:<a@b>"), 0, 0, "a@b"},
      {VERB_RCPT, BYTES("To:<@c:a@b> NOTE=ham CHECKED"), 2, 2, "a@b"},
      {VERB_RCPT, BYTES("TO:<postmaster>"), 0, 0, "postmaster"},
      {VERB_RCPT, BYTES("TO:<>"), -1, -1, NULL},
      {VERB_RCPT, BYTES("TO:< >"), -1, -1, NULL},
      {VERB_RCPT, BYTES("FROM:<a@b>"), -1, -1, NULL},
      {VERB_RCPT, BYTES("TO"), -1, -1, NULL},
      {VERB_RCPT, BYTES("T"), -1, -1, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int strict = 0; strict < 2; strict++) {
      struct envelope_command command;
      int wanted = strict ? cases[i].strict : cases[i].lax;
      strcpy(command.address.text, "as it was");
      int got =
          command_envelope(cases[i].verb, cases[i].text, cases[i].n,
                           strict ? ADDRESS_STRICT : ADDRESS_LAX, &command);
      tap_is_number(got ? (long long)command.parameters : -1, wanted,
                    numbered(strict ? "strict" : "lax", i));
      tap_is_string(command.address.text,
                    wanted < 0 ? "as it was" : cases[i].address,
                    numbered("address", i));
    }
}

/* Writes the parameters as [key] or [key=value], one after the other. */
static void
show(struct envelope_command const *command, char *out, size_t size)
{
  size_t used = 0;
  *out = '\0';
  for (size_t i = 0; i < command->parameters; i++) {
    struct parameter const *p = &command->parameter[i];
    used += (size_t)snprintf(out + used, size - used, "[%.*s%s%.*s]",
                             (int)p->key_bytes, p->key, p->value ? "=" : "",
                             (int)p->value_bytes, p->value ? p->value : "");
  }
}

static void
test_parameters(void)
{
  static struct {
    char const *text;
    size_t n;
    char const *wanted; /* NULL: refused */
  } const cases[] = {
      {BYTES(""), ""},
      {BYTES(" \t "), ""},
      {BYTES("SIZE=1"), "[SIZE=1]"},
      {BYTES("  SIZE=1 \t BODY=7BIT  "), "[SIZE=1][BODY=7BIT]"},
      {BYTES("CHECKED"), "[CHECKED]"},
      {BYTES("A= B"), "[A=][B]"},
      {BYTES("a=b=c== d"), "[a=b=c==][d]"},
      {BYTES("AUTH=<>"), "[AUTH=<>]"},
      {BYTES("ORCPT=utf-8;\xc3\xa9@b"), "[ORCPT=utf-8;\xc3\xa9@b]"},
      {BYTES("8-bit-=1"), "[8-bit-=1]"},
      {BYTES("-a=1"), NULL},
      {BYTES("=1"), NULL},
      {BYTES("a =1"), NULL},
      {BYTES("a= =1"), NULL},
      {BYTES("a_b=1"), NULL},
      {BYTES("a.b"), NULL},
      {BYTES("<a@b>"), NULL},
      {BYTES("\xc3\xa9=1"), NULL},
      {BYTES("a\0=1"), NULL},
      {BYTES("a=\0"), NULL},
      {BYTES("a=1\0"), NULL},
      {BYTES("\0"), NULL},
      {BYTES("a=\r"), NULL},
      {BYTES("a\n"), NULL},
      {BYTES("a=\x1b[m"), NULL},
      {BYTES("a=\x7f"), NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct envelope_command command;
    char out[256] = "refused";
    if (command_parameters(cases[i].text, cases[i].n, &command))
      show(&command, out, sizeof out);
    tap_is_string(out, cases[i].wanted ? cases[i].wanted : "refused",
                  numbered("parameters", i));
  }
}

static void
test_parameter_limit(void)
{
  for (int count = COMMAND_PARAMETERS_MAX - 1;
       count <= COMMAND_PARAMETERS_MAX + 1; count++) {
    char text[256] = "";
    struct envelope_command command = {.parameters = 7};
    int fits = count <= COMMAND_PARAMETERS_MAX;
    for (int i = 0; i < count; i++)
      strcat(text, "a=1 ");
    tap_is_number(command_parameters(text, strlen(text), &command), fits,
                  numbered("number of parameters", (size_t)count));
    tap_is_number((long long)command.parameters, fits ? count : 7, "... held");
  }
}

static void
test_find_parameter(void)
{
  static char const text[] = "NOTE=one SIZE=5 note=two NOTES=x NOT Note";
  struct envelope_command command = {0};
  command_parameters(text, sizeof text - 1, &command);
  struct parameter const *found[] = {
      command_parameter(&command, "NOTE", 0),
      command_parameter(&command, "note", 1),
      command_parameter(&command, "NOTE", 2),
      command_parameter(&command, "size", 0),
  };
  tap_ok(found[0] == &command.parameter[0], "the first NOTE");
  tap_ok(found[1] == &command.parameter[2], "the second");
  tap_ok(found[2] == &command.parameter[5] && !found[2]->value,
         "the third has no value");
  tap_ok(found[3] == &command.parameter[1], "SIZE");
  tap_ok(!command_parameter(&command, "NOTE", 3), "no fourth NOTE");
  tap_ok(!command_parameter(&command, "SIZ", 0), "no SIZ");
  tap_ok(!command_parameter(&command, "", 0), "no empty key");
}

int
main(void)
{
  test_verbs();
  test_answers();
  test_envelope();
  test_parameters();
  test_parameter_limit();
  test_find_parameter();
  return tap_done();
}
