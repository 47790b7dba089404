/* Times the loading of a rule file, and the answers for the addresses on
 * standard input, one a line. tests/bench/rcptcheck builds and runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "filters/ruleset.h"
#include "lib/address.h"

#define ADDRESSES_MAX 10000
#define ROUNDS 20

struct mailbox {
  char text[ADDRESS_MAX + 1];
  size_t n;
  size_t at;
};

static struct mailbox mailboxes[ADDRESSES_MAX];
static struct ruleset_hit hit;

static double
us_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void
report(void *data, uint32_t line, char const *event, char const *problem)
{
  (void)data;
  fprintf(stderr, "%lu: %s: %s\n", (unsigned long)line, event, problem);
}

static size_t
read_mailboxes(void)
{
  char line[1024];
  size_t n = 0;
  while (n < ADDRESSES_MAX && fgets(line, sizeof line, stdin)) {
    struct address address;
    struct mailbox *mailbox = &mailboxes[n];
    if (!address_parse(line, strcspn(line, "\n"), ADDRESS_LAX, &address))
      continue;
    mailbox->n = address_mailbox(&address, mailbox->text, &mailbox->at);
    n++;
  }
  return n;
}

static int
compare(void const *left, void const *right)
{
  double l = *(double const *)left;
  double r = *(double const *)right;
  return (l > r) - (l < r);
}

static void
show(char const *what, double *us, size_t n)
{
  double sum = 0;
  qsort(us, n, sizeof *us, compare);
  for (size_t i = 0; i < n; i++)
    sum += us[i];
  printf("%-30s median %8.1f us, mean %8.1f us, 99 %% %8.1f us\n", what,
         us[n / 2], sum / (double)n, us[n * 99 / 100]);
}

int
main(int argc, char **argv)
{
  struct ruleimage_reporter const reporter = {.report = report,
                                              .bad_most = UINT64_MAX};
  struct ruleset set;
  static double us[ADDRESSES_MAX];
  if (argc != 2)
    return 100;
  for (int i = 0; i < ROUNDS; i++) {
    double start = us_now();
    if (!ruleset_load(&set, argv[1], &reporter))
      return 111;
    us[i] = us_now() - start;
    if (i < ROUNDS - 1)
      ruleset_free(&set);
  }
  show(set.image ? "load from text" : "load the compiled form", us, ROUNDS);
  size_t n = read_mailboxes();
  size_t found = 0;
  for (size_t i = 0; i < n; i++) {
    struct mailbox const *mailbox = &mailboxes[i];
    double start = us_now();
    found +=
        ruleset_find(&set, mailbox->text, mailbox->n, mailbox->at, &hit) == 1;
    us[i] = us_now() - start;
  }
  if (n)
    show("answer", us, n);
  printf("%zu of %zu found\n", found, n);
  ruleset_free(&set);
  return 0;
}
