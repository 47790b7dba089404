#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "smtpd/smtp.h"

#define BYTES(literal) literal, sizeof literal - 1
#define NONE 18446744073709551615U

static void
test_verbs(void)
{
  static struct {
    char const *line;
    size_t n;
    enum smtp_verb verb;
    char const *argument;
  } const cases[] = {
      {BYTES("HELO a"), SMTP_HELO, "a"},
      {BYTES("ehlo\ta b"), SMTP_EHLO, "a b"},
      {BYTES("  Mail  FROM:<a@b> "), SMTP_MAIL, "FROM:<a@b>"},
      {BYTES("RCPT"), SMTP_RCPT, ""},
      {BYTES("DATA \t "), SMTP_DATA, ""},
      {BYTES("BDAT 3 LAST"), SMTP_BDAT, "3 LAST"},
      {BYTES("RSET"), SMTP_RSET, ""},
      {BYTES("NOOP"), SMTP_NOOP, ""},
      {BYTES("VRFY x"), SMTP_VRFY, "x"},
      {BYTES("EXPN x"), SMTP_EXPN, "x"},
      {BYTES("HELP"), SMTP_HELP, ""},
      {BYTES("ETRN x"), SMTP_ETRN, "x"},
      {BYTES("TURN"), SMTP_TURN, ""},
      {BYTES("QUIT"), SMTP_QUIT, ""},
      {BYTES("GET / HTTP/1.1"), SMTP_HTTP, "/ HTTP/1.1"},
      {BYTES("POST /"), SMTP_HTTP, "/"},
      {BYTES("CONNECT h:25"), SMTP_HTTP, "h:25"},
      {BYTES("PRI * HTTP/2.0"), SMTP_HTTP, "* HTTP/2.0"},
      {BYTES("HEAD"), SMTP_HTTP, ""},
      {BYTES(""), SMTP_UNKNOWN, ""},
      {BYTES("   "), SMTP_UNKNOWN, ""},
      {BYTES("MAI FROM:"), SMTP_UNKNOWN, "FROM:"},
      {BYTES("MAILFROM:<a@b>"), SMTP_UNKNOWN, ""},
      {BYTES("XCLIENT ADDR=192.0.2.1"), SMTP_XCLIENT, "ADDR=192.0.2.1"},
      {BYTES("XNOTE a=b"), SMTP_UNKNOWN, "a=b"},
      {BYTES("250 ok"), SMTP_UNKNOWN, "ok"},
      {BYTES("\xc3\xa4 x"), SMTP_UNKNOWN, "x"},
      {BYTES("QUIT\0"), SMTP_INVALID, NULL},
      {BYTES("\0QUIT"), SMTP_INVALID, NULL},
      {BYTES("RCPT TO:<a\0@b>"), SMTP_INVALID, NULL},
      {BYTES("RCPT TO:<a@b> \r\r"), SMTP_RCPT, "TO:<a@b>"},
      {BYTES("RCPT TO:<a@b>\rx"), SMTP_INVALID, NULL},
      {BYTES("NOOP \x1b"), SMTP_INVALID, NULL},
      {BYTES("NOOP \x7f"), SMTP_INVALID, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t rest = 99, n = 99;
    enum smtp_verb verb = smtp_verb(cases[i].line, cases[i].n, &rest, &n);
    tap_is_number(verb, cases[i].verb, cases[i].line);
    tap_ok(rest + n <= cases[i].n, "... its argument lies in the line");
    if (cases[i].argument)
      tap_is_bytes(cases[i].line + rest, n, cases[i].argument,
                   strlen(cases[i].argument), "... and is this");
  }
}

/* The verdict on these parameters of MAIL or RCPT. */
static enum smtp_parameters
judge(enum verb verb, char const *parameters, uint64_t limit)
{
  struct envelope_command command;
  if (!command_parameters(parameters, strlen(parameters), &command)) {
    printf("# no parameters: %s\n", parameters);
    return (enum smtp_parameters)99;
  }
  return verb == VERB_MAIL ? smtp_mail_parameters(&command, limit, false)
                           : smtp_rcpt_parameters(&command);
}

static void
test_sizes(void)
{
  static struct {
    char const *size;
    uint64_t limit;
    enum smtp_parameters verdict;
  } const cases[] = {
      {"SIZE=0", 1000, SMTP_PARAMETERS_OK},
      {"SIZE=999", 1000, SMTP_PARAMETERS_OK},
      {"SIZE=1000", 1000, SMTP_PARAMETERS_OK},
      {"size=1001", 1000, SMTP_PARAMETERS_TOO_BIG},
      {"SIZE=00000000000000001000", 1000, SMTP_PARAMETERS_OK},
      {"SIZE=000000000000000001000", 1000, SMTP_PARAMETERS_INVALID},
      {"SIZE=18446744073709551614", NONE, SMTP_PARAMETERS_OK},
      {"SIZE=18446744073709551615", 1000, SMTP_PARAMETERS_TOO_BIG},
      {"SIZE=18446744073709551616", 1000, SMTP_PARAMETERS_TOO_BIG},
      {"SIZE=18446744073709551617", 1000, SMTP_PARAMETERS_TOO_BIG},
      {"SIZE=18446744073709552615", 1000, SMTP_PARAMETERS_TOO_BIG},
      {"SIZE=20000000000000000000", 1000, SMTP_PARAMETERS_TOO_BIG},
      {"SIZE=99999999999999999999", 1000, SMTP_PARAMETERS_TOO_BIG},
      {"SIZE=99999999999999999999", 0, SMTP_PARAMETERS_OK},
      {"SIZE=100000000000000000000", 1000, SMTP_PARAMETERS_INVALID},
      {"SIZE=100000000000000000000", 0, SMTP_PARAMETERS_INVALID},
      {"SIZE=1x", 0, SMTP_PARAMETERS_INVALID},
      {"SIZE=-1", 0, SMTP_PARAMETERS_INVALID},
      {"SIZE=+1", 0, SMTP_PARAMETERS_INVALID},
      {"SIZE=", 0, SMTP_PARAMETERS_INVALID},
      {"SIZE", 0, SMTP_PARAMETERS_INVALID},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    tap_is_number(judge(VERB_MAIL, cases[i].size, cases[i].limit),
                  cases[i].verdict, cases[i].size);
}

static void
test_parameters(void)
{
  static struct {
    enum verb verb;
    char const *parameters;
    enum smtp_parameters verdict;
  } const cases[] = {
      {VERB_MAIL, "", SMTP_PARAMETERS_OK},
      {VERB_MAIL, "BODY=8BITMIME SMTPUTF8 RET=hdrs ENVID=x SIZE=1",
       SMTP_PARAMETERS_OK},
      {VERB_MAIL, "body=7bit ret=FULL", SMTP_PARAMETERS_OK},
      {VERB_MAIL, "BODY=BINARYMIME", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "BODY=8BITMIMEX", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "BODY=", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "BODY", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "SMTPUTF8=", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "SMTPUTF8=1", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "RET=x", SMTP_PARAMETERS_INVALID},
      {VERB_MAIL, "RET", SMTP_PARAMETERS_INVALID},
      {VERB_MAIL, "ENVID=", SMTP_PARAMETERS_INVALID},
      {VERB_MAIL, "ENVID", SMTP_PARAMETERS_INVALID},
      {VERB_MAIL, "SIZES=1", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "AUTH=<>", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "NOTIFY=NEVER", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "CHECKED", SMTP_PARAMETERS_UNKNOWN},
      {VERB_MAIL, "SIZE=1 SIZE=x X=1", SMTP_PARAMETERS_INVALID},
      {VERB_RCPT, "", SMTP_PARAMETERS_OK},
      {VERB_RCPT, "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b",
       SMTP_PARAMETERS_OK},
      {VERB_RCPT, "notify=never", SMTP_PARAMETERS_OK},
      {VERB_RCPT, "NOTIFY=", SMTP_PARAMETERS_INVALID},
      {VERB_RCPT, "NOTIFY", SMTP_PARAMETERS_INVALID},
      {VERB_RCPT, "ORCPT=", SMTP_PARAMETERS_INVALID},
      {VERB_RCPT, "SIZE=1", SMTP_PARAMETERS_UNKNOWN},
      {VERB_RCPT, "CHECKED", SMTP_PARAMETERS_UNKNOWN},
      {VERB_RCPT, "NOTE=ham", SMTP_PARAMETERS_UNKNOWN},
      {VERB_RCPT, "NOTIFY=NEVER note=ham", SMTP_PARAMETERS_UNKNOWN},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    tap_is_number(judge(cases[i].verb, cases[i].parameters, 1000),
                  cases[i].verdict, cases[i].parameters);
}

static void
test_format(void)
{
  static char const text[] = " FROM:<@r:a@b>  SIZE=1\tSMTPUTF8 ENVID=";
  static char const wanted[] = "MAIL FROM:<a@b> SIZE=1 SMTPUTF8 ENVID=\n";
  struct envelope_command command;
  char out[100];
  size_t n = sizeof wanted - 1;
  tap_ok(command_envelope(VERB_MAIL, text + 1, sizeof text - 2, ADDRESS_LAX,
                          &command),
         "a command");
  for (size_t size = n - 1; size <= n + 1; size++) {
    memset(out, '#', sizeof out);
    size_t used = smtp_format("MAIL FROM", &command, out, size);
    tap_is_bytes(out, used, wanted, size < n ? 0 : n,
                 "written in room of its length, one less, one more");
    tap_ok(out[size] == '#', "... and nothing behind it");
  }
  command_envelope(VERB_MAIL, "FROM:<>", 7, ADDRESS_LAX, &command);
  n = smtp_format("MAIL FROM", &command, out, sizeof out);
  tap_is_bytes(out, n, BYTES("MAIL FROM:<>\n"), "the null sender");
}

static void
test_enhance(void)
{
  static struct {
    char const *answer;
    char const *out;
  } const cases[] = {
      {"250 ok", "250 2.0.0 ok"},
      {"250 2.1.5 ok", "250 2.1.5 ok"},
      {"250 2.1.5", "250 2.1.5"},
      {"250", "250 2.0.0 "},
      {"250 ", "250 2.0.0 "},
      {"550 2.1.5 no", "550 5.0.0 2.1.5 no"},
      {"550 5.111.222 no", "550 5.111.222 no"},
      {"550 5.1111.1 no", "550 5.0.0 5.1111.1 no"},
      {"550 5.1.1111 no", "550 5.0.0 5.1.1111 no"},
      {"550 5.1.1x no", "550 5.0.0 5.1.1x no"},
      {"550 5..1 no", "550 5.0.0 5..1 no"},
      {"550 5.1. no", "550 5.0.0 5.1. no"},
      {"550 5.1", "550 5.0.0 5.1"},
      {"550 5", "550 5.0.0 5"},
      {"450 4.7.1 later", "450 4.7.1 later"},
      {"354 go on", "354 go on"},
      {"451?x", "451 4.0.0 ?x"},
  };
  char out[64];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    smtp_enhance(cases[i].answer, out, sizeof out);
    tap_is_string(out, cases[i].out, cases[i].answer);
  }
  memset(out, '#', sizeof out);
  smtp_enhance("550 too long", out, 12);
  tap_is_string(out, "550 5.0.0 t", "cut to its room");
  tap_ok(out[12] == '#', "... and nothing behind it");
}

int
main(void)
{
  test_verbs();
  test_sizes();
  test_parameters();
  test_format();
  test_enhance();
  return tap_done();
}
