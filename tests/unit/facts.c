#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include "lib/command.h"
#include "smtpd/facts.h"

static struct facts facts;

static void
test_lines(void)
{
  tap_ok(facts_add(&facts, "tls.version", "TLSv1.3 a=b"), "one");
  tap_ok(facts_add(&facts, "empty", ""), "an empty one");
  tap_is_bytes(facts.lines, facts.used,
               "XNOTE tls.version=TLSv1.3+20a+3Db\nXNOTE empty=\n", 47,
               "are lines of xtext");
}

static void
test_refused(void)
{
  static char const *const keys[] = {
      "",      "Upper",   "a b",
      "a=b",   "session", "queued",
      "blind", "a\nb",    "abcdefghijklmnopqrstuvwxyz0123456"};
  size_t before = facts.used;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    tap_ok(!facts_add(&facts, keys[i], "v"), "no key, case %d", (int)i);
  tap_is_number((long long)facts.used, (long long)before, "nothing is added");
}

static void
test_room(void)
{
  static char value[COMMAND_NOTE_VALUE_MAX + 2];
  memset(value, 'x', sizeof value - 1);
  facts.used = 0;
  tap_ok(!facts_add(&facts, "k", value), "a value that is too long");
  value[COMMAND_NOTE_VALUE_MAX] = 0;
  for (size_t i = 0; i < 3; i++)
    tap_ok(facts_add(&facts, "k", value), "1024 bytes");
  tap_ok(!facts_add(&facts, "k", value), "no room");
  value[FACTS_MAX - facts.used - 10] = 0;
  tap_ok(facts_add(&facts, "k", value), "what just fits");
  tap_ok(!facts_add(&facts, "k", ""), "full");
  tap_ok(facts.used <= FACTS_MAX && facts.lines[facts.used - 1] == '\n',
         "all lines are whole");
  memset(value, '=', COMMAND_NOTE_VALUE_MAX);
  value[COMMAND_NOTE_VALUE_MAX] = 0;
  facts.used = 0;
  tap_ok(facts_add(&facts, "k", value), "three bytes for each");
  tap_ok(!facts_add(&facts, "k", value), "no room for more of these");
}

static void
test_environment(void)
{
  facts.used = 0;
  clearenv();
  setenv("XNOTE_dnsbl", "zen.example 127.0.0.2", 1);
  setenv("XNOTE_Bad", "x", 1);
  setenv("XNOTE_session", "x", 1);
  setenv("XNOTE_", "x", 1);
  setenv("XNOTE_abcdefghijklmnopqrstuvwxyz01234567890", "x", 1);
  setenv("NOTE_a", "x", 1);
  facts_of_environment(&facts);
  tap_is_bytes(facts.lines, facts.used, "XNOTE dnsbl=zen.example+20127.0.0.2\n",
               36, "what the environment has");
}

int
main(void)
{
  test_lines();
  test_refused();
  test_room();
  test_environment();
  return tap_done();
}
