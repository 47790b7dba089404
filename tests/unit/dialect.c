#include "tests/unit/tap.h"

#include <string.h>

#include "smtpd/dialect.h"

static struct dialect dialect;

static void
start(void)
{
  dialect_start(&dialect, "mx.trap.example", "192.0.2.1");
}

/* Lines in one string, each with its LF; "+" before one: more came with it. */
static void
say(char const *lines)
{
  while (*lines) {
    bool more = *lines == '+';
    lines += more;
    size_t n = strcspn(lines, "\n") + 1;
    dialect_command(&dialect, lines, n, more);
    lines += n;
  }
}

static void
is_spoken(char const *wanted, bool session, char const *name)
{
  char out[DIALECT_MAX + 1];
  dialect_format(&dialect, session, out);
  tap_is_string(out, wanted, name);
}

struct example {
  char const *lines, *wanted;
};

static void
check(struct example const *examples, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    start();
    say(examples[i].lines);
    is_spoken(examples[i].wanted, false, examples[i].wanted);
  }
}

#define CHECK(examples) check(examples, sizeof examples / sizeof *examples)

static void
test_commands(void)
{
  static struct example const examples[] = {
      {"", "-;--;-;-;-;-;-"},
      {"HELO a.b\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\nDATA\r\n",
       "HMRD;UU;crlf;tight;fqdn;-;wait"},
      {"BDAT 1\r\nBDAT 1\r\nNOOP\r\nBDAT 0 LAST\r\n", "BNB;U-;crlf;-;-;-;wait"},
      {"RSET\r\nVRFY a\r\nAUTH LOGIN\r\nSTARTTLS\r\nXCLIENT A=b\r\nHELP\r\n"
       "EXPN\r\nETRN\r\nTURN\r\nQUIT\r\n",
       "ZVATCPXKOQ;U-;crlf;-;-;-;wait"},
      {"GET /\r\nfoo\r\n\r\nNOO\001P\r\n", "GUUY;--;crlf;-;-;-;wait"},
      {"RSET\r\nRSET\r\nMAIL\r\nRCPT\r\nRSET\r\nRCPT\r\n",
       "ZZMRZR;U-;crlf;odd;-;-;wait"},
  };
  CHECK(examples);
}

static void
test_length(void)
{
  static char const lines[] = "NOOP\nNOOP\nNOOP\nNOOP\nNOOP\nNOOP\nNOOP\nNOOP\n"
                              "NOOP\nNOOP\nNOOP\nNOOP\nNOOP\nNOOP\nNOOP\n";
  start();
  say(lines);
  is_spoken("NNNNNNNNNNNNNNN;U-;lf;-;-;-;wait", false, "15 commands");
  say("RCPT\n");
  is_spoken("NNNNNNNNNNNNNNNR;U-;lf;-;-;-;wait", false, "16");
  say("RCPT\n");
  is_spoken("NNNNNNNNNNNNNNNR;U-;lf;-;-;-;wait", false, "one again");
  say("QUIT\n");
  is_spoken("NNNNNNNNNNNNNNNR-;U-;lf;-;-;-;wait", false, "17");
  say(lines);
  is_spoken("NNNNNNNNNNNNNNNR-;U-;lf;-;-;-;wait", false, "32");
}

static void
test_case(void)
{
  static struct example const examples[] = {
      {"helo a\nmail from:<>\n", "HM;LL;lf;tight;name;-;wait"},
      {"Helo a\nMail From:<>\n", "HM;CC;lf;tight;name;-;wait"},
      {"hELO a\nMAIL FroM:<>\n", "HM;XX;lf;tight;name;-;wait"},
      {"HELO a\nmail FROM:<>\n", "HM;XU;lf;tight;name;-;wait"},
      {"helO\nfoo\n", "HU;X-;lf;-;odd;-;wait"},
      {"FOO\nhelo a\n", "UH;L-;lf;-;name;-;wait"},
      {"  MAIL from:<>\n", "M;UL;lf;tight;-;-;wait"},
  };
  CHECK(examples);
}

static void
test_lines(void)
{
  static struct example const examples[] = {
      {"NOOP\n", "N;U-;lf;-;-;-;wait"},
      {"NOOP\r\n", "N;U-;crlf;-;-;-;wait"},
      {"NOOP\r\nNOOP\n", "NN;U-;mix;-;-;-;wait"},
      {"\n", "U;--;lf;-;-;-;wait"},
      {"\r\n", "U;--;crlf;-;-;-;wait"},
      {"NOOP\r\r\n", "N;U-;crlf;-;-;-;wait"},
  };
  CHECK(examples);
  start();
  dialect_long_line(&dialect, "xx\r\n", 4);
  is_spoken("U;--;crlf;-;-;-;wait", false, "a line that is too long");
}

static void
test_path(void)
{
  static struct example const examples[] = {
      {"MAIL FROM:<a@b>\n", "M;UU;lf;tight;-;-;wait"},
      {"MAIL FROM: <a@b>\n", "M;UU;lf;loose;-;-;wait"},
      {"MAIL FROM:\t<>\n", "M;UU;lf;loose;-;-;wait"},
      {"MAIL FROM:a@b\n", "M;UU;lf;bare;-;-;wait"},
      {"MAIL FROM: a@b\n", "M;UU;lf;bare;-;-;wait"},
      {"MAIL FROM:<a@b\n", "M;UU;lf;odd;-;-;wait"},
      {"MAIL FROM:\n", "M;UU;lf;odd;-;-;wait"},
      {"MAIL FROM :<a@b>\n", "M;U-;lf;odd;-;-;wait"},
      {"MAIL a@b\n", "M;U-;lf;odd;-;-;wait"},
      {"MAIL\n", "M;U-;lf;odd;-;-;wait"},
      {"MAIL FROM: a@b SIZE=1\nMAIL FROM:<a@b>\n", "MM;UU;lf;tight;-;-;wait"},
  };
  CHECK(examples);
}

static void
test_keys(void)
{
  static struct example const examples[] = {
      {"MAIL FROM:<a@b> SIZE=1 body=8BITMIME\n", "M;UU;lf;tight;-;SB;wait"},
      {"MAIL FROM:a@b SMTPUTF8  RET=FULL\tENVID=x AUTH=<> FOO\n",
       "M;UU;lf;bare;-;UREAO;wait"},
      {"MAIL FROM:<\"> A\\\"> B\"@b>SIZE=1\n", "M;UU;lf;tight;-;S;wait"},
      {"MAIL FROM:<> SIZES=1 = SIZE\n", "M;UU;lf;tight;-;OOS;wait"},
      {"MAIL FROM:<> a b c d e f g h i j k\n",
       "M;UU;lf;tight;-;OOOOOOOOOOO;wait"},
      {"MAIL FROM:<> a b c d e f g h i j k l\n",
       "M;UU;lf;tight;-;OOOOOOOOOOOO;wait"},
      {"MAIL FROM:<> a b c d e f g h i j k l m\n",
       "M;UU;lf;tight;-;OOOOOOOOOOOO;wait"},
  };
  CHECK(examples);
}

static void
test_name(void)
{
  static char const *const names[][2] = {
      {"a.example", "fqdn"},
      {"a_b-c.example.", "fqdn"},
      {"PC", "name"},
      {"[192.0.2.9]", "lit"},
      {"[IPv6:2001:db8::1]", "lit"},
      {"[2001:db8::1]", "lit"},
      {"192.0.2.9", "ip"},
      {"2001:db8::1", "ip"},
      {"MX.Trap.Example", "own"},
      {"192.0.2.1", "own"},
      {"[192.0.2.1]", "own"},
      {"[x]", "odd"},
      {"[]", "odd"},
      {"[", "odd"},
      {"a b", "odd"},
      {"\303\244.example", "odd"},
      {"", "odd"},
      {"0000:0000:0000:0000:0000:ffff:192.168.100.2288888", "odd"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char line[64], wanted[64];
    start();
    stpcpy(stpcpy(stpcpy(line, "EHLO "), names[i][0]), "\n");
    stpcpy(stpcpy(stpcpy(wanted, "E;U-;lf;-;"), names[i][1]), ";-;wait");
    dialect_command(&dialect, line, strlen(line), false);
    is_spoken(wanted, false, names[i][0]);
  }
}

static void
test_unknown_self(void)
{
  dialect_start(&dialect, "mx.trap.example", "");
  say("HELO\n");
  is_spoken("H;U-;lf;-;odd;-;wait", false, "our address is not known");
}

static void
test_pace(void)
{
  static struct example const examples[] = {
      {"EHLO a\n+MAIL FROM:<>\n+RCPT TO:<a>\nDATA\n",
       "EMRD;UU;lf;tight;name;-;pipe"},
      {"EHLO a\n+MAIL FROM:<>\n+RCPT TO:<a>\n+DATA\n",
       "EMRD;UU;lf;tight;name;-;rude"},
      {"EHLO a\nMAIL FROM:<>\nRCPT TO:<a>\n+BDAT 3 LAST\n",
       "EMRB;UU;lf;tight;name;-;wait"},
      {"+EHLO a\n", "E;U-;lf;-;name;-;rude"},
      {"HELO a\n+MAIL FROM:<>\n", "HM;UU;lf;tight;name;-;rude"},
      {"EHLO a\n+RSET\n", "EZ;U-;lf;-;name;-;pipe"},
      {"EHLO a\n+QUIT\n", "EQ;U-;lf;-;name;-;rude"},
      {"EHLO a\n+STARTTLS\n", "ET;U-;lf;-;name;-;rude"},
  };
  CHECK(examples);
}

static void
test_messages(void)
{
  start();
  say("EHLO a.b\r\nMAIL FROM:<> SIZE=1\r\nRCPT TO:<a>\r\nDATA\r\n");
  dialect_next(&dialect);
  is_spoken("-;UU;crlf;tight;fqdn;S;wait", false, "a message is over");
  say("MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n");
  is_spoken("MRD;UU;crlf;tight;fqdn;-;wait", false, "the next one");
  is_spoken("EMRDMRD;UU;crlf;tight;fqdn;-;wait", true, "the session");
}

/* As long as one can be. */
static void
test_longest(void)
{
  char out[DIALECT_MAX + 1];
  start();
  say("HELO a.b\r\nRCPT\n+NOOP\r\nRCPT\nNOOP\nRCPT\nNOOP\nRCPT\nNOOP\nRCPT\n"
      "NOOP\nRCPT\nNOOP\nRCPT\nNOOP\nRCPT\nNOOP\nRCPT\n"
      "MAIL FROM: <> a b c d e f g h i j k l m n o p q r s t\r\n");
  dialect_format(&dialect, true, out);
  tap_is_string(out, "HRNRNRNRNRNRNRNR-;UU;mix;loose;fqdn;OOOOOOOOOOOO;rude",
                "the longest");
  tap_ok(strlen(out) < DIALECT_MAX, "has room");
}

int
main(void)
{
  test_commands();
  test_length();
  test_case();
  test_lines();
  test_path();
  test_keys();
  test_name();
  test_unknown_self();
  test_pace();
  test_messages();
  test_longest();
  return tap_done();
}
