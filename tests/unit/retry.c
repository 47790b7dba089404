/* When a job is tried again. */
#include <string.h>

#include "deliver/retry.h"
#include "tests/unit/tap.h"

static struct jobrecord record;
static struct retry retry;

static bool
next(struct retry_rules const *rules, char const *state, int64_t now_s)
{
  static char text[200];
  strcpy(text, state);
  strcat(text, "QDFN: x\n");
  jobrecord_parse(&record, text, strlen(text));
  return retry_next(rules, &record, now_s, &retry);
}

static void
test_delays(void)
{
  static struct {
    char const *state;
    int64_t delay;
    long long tries;
    bool again;
  } const cases[] = {
      {"", 60, 1, true},
      {"dq.tries: 1\ndq.first: 900\n", 120, 2, true},
      {"dq.tries: 5\ndq.first: 900\n", 1920, 6, true},
      {"dq.tries: 6\ndq.first: 900\n", 3600, 7, true},
      {"dq.tries: 18\ndq.first: 900\n", 3600, 19, true},
      {"dq.tries: 19\ndq.first: 900\n", 3600, 20, false},
      {"dq.tries: 999999999999\n", 3600, 1000000000000, false},
      {"dq.tries: 9999999999999\n", 60, 1, true},
      {"dq.tries: x\ndq.first: -3\n", 60, 1, true},
      {"dq.tries: 2\ndq.first: 1\n", 240, 3, true},
      {"dq.tries: 2\ndq.first: 0\n", 240, 3, false},
  };
  struct retry_rules const rules = {60, 3600, 20, 1000};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tap_ok(next(&rules, cases[i].state, 1000) == cases[i].again,
           "case %zu: again?", i);
    tap_is_number(retry.due_s, 1000 + cases[i].delay, "its time");
    tap_is_number((long long)retry.tries, cases[i].tries, "its tries");
  }
  tap_ok(next(&rules, "", 1000) && retry.began_s == 1000, "begins now");
}

static void
test_names(void)
{
  char name[RETRY_NAME_MAX + 1];
  int64_t due_s = 0;
  retry_name(1795242906, "50.x", name);
  tap_is_string(name, "001795242906.50.x", "a name");
  tap_is_string(retry_job(name, &due_s), "50.x", "its job");
  tap_is_number(due_s, 1795242906, "its time");
  retry_name(-1, "5", name);
  tap_is_string(name, "000000000000.5", "the least");
  retry_name(INT64_MAX, "5", name);
  tap_is_string(name, "999999999999.5", "the most");
  static char const *const bad[] = {"",
                                    "x",
                                    "001795242906",
                                    "001795242906.",
                                    "001795242906.x",
                                    "00179524290.5",
                                    "0001795242906.5",
                                    "001795242906x5"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    tap_ok(!retry_job(bad[i], &due_s), "no name: %s", bad[i]);
}

int
main(void)
{
  test_delays();
  test_names();
  return tap_done();
}
