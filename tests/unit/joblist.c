/* Names of waiting jobs: batches, order, arrivals. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/joblist.h"
#include "tests/unit/tap.h"

static struct joblist list;
static char top[] = "/tmp/joblist.XXXXXX";
static int directory;

static void
make(char const *name)
{
  int fd = openat(directory, name, O_WRONLY | O_CREAT, 0600);
  if (fd == -1)
    abort();
  close(fd);
}

static void
clean(void)
{
  struct joblist all;
  char const *name;
  joblist_start(&all, true);
  do {
    if (joblist_load(&all, directory) == -1)
      abort();
    while ((name = joblist_next(&all)))
      unlinkat(directory, name, 0);
  } while (all.more);
  joblist_end(&all);
}

/* What is left in the batch, a blank after each name. */
static char const *
rest(void)
{
  static char text[4096];
  char const *name;
  text[0] = 0;
  while ((name = joblist_next(&list)))
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", name);
  return text;
}

static void
test_ordered(void)
{
  joblist_start(&list, true);
  list.most = 3;
  tap_ok(!joblist_next(&list), "nothing before the first load");
  tap_is_number(joblist_load(&list, directory), 0, "an empty directory");
  tap_ok(!joblist_next(&list) && !list.more, "has no name");
  for (char const *p = "85296301"; *p; p++)
    make((char const[]){*p, 0});
  make("x1");
  make(".5");
  if (mkdirat(directory, "4d", 0700) || symlinkat("1", directory, "4s"))
    abort();
  joblist_load(&list, directory);
  tap_ok(list.more, "more than a batch");
  tap_is_string(rest(), "0 1 2 ", "the least names");
  joblist_load(&list, directory);
  tap_is_string(joblist_next(&list), "3", "the batch behind it");
  joblist_add(&list, "7");
  joblist_add(&list, "10");
  joblist_add(&list, "0");
  joblist_add(&list, "55");
  joblist_add(&list, "y");
  tap_is_string(rest(), "0 10 5 55 6 ", "with what arrived in its place");
  joblist_load(&list, directory);
  tap_ok(!list.more, "the last batch");
  tap_is_string(joblist_next(&list), "8", "begins");
  joblist_add(&list, "1");
  joblist_add(&list, "95");
  tap_is_string(rest(), "1 9 95 ", "and what arrived anywhere");
  joblist_load(&list, directory);
  tap_is_string(joblist_next(&list), "0", "then from the start");
  joblist_rewind(&list);
  joblist_load(&list, directory);
  tap_is_string(rest(), "0 1 2 ", "as when rewound");
  joblist_add(&list, "1");
  list.overflowed = true;
  joblist_load(&list, directory);
  tap_is_string(rest(), "0 1 2 ", "or after an overflow");
  joblist_end(&list);
}

static void
test_unordered(void)
{
  int seen[10] = {0};
  size_t found = 0, loads = 0;
  char const *name;
  joblist_start(&list, false);
  list.most = 3;
  do {
    joblist_load(&list, directory);
    loads++;
    while ((name = joblist_next(&list))) {
      seen[name[0] - '0']++;
      found++;
    }
  } while (list.more);
  tap_is_number((long long)found, 8, "all names");
  tap_ok(loads == 3 && !seen[4] && !seen[7], "in three batches");
  joblist_load(&list, directory);
  joblist_add(&list, "11");
  found = 0;
  bool arrived = false;
  while ((name = joblist_next(&list))) {
    found++;
    arrived |= !strcmp(name, "11");
  }
  tap_ok(found == 4 && arrived, "from the start again, with what arrived");
  joblist_end(&list);
}

/* Directories of one character are read on request. */
static void
test_fans(void)
{
  static char const *const wanted[] = {"1 a/15 2 ", "3 b/35 0/4 5 ", "a/5 6 8 ",
                                       "9 a/95 "};
  size_t found = 0;
  if (mkdirat(directory, "0d", 0700) || mkdirat(directory, "a", 0700) ||
      unlinkat(directory, "0", 0) || mkdirat(directory, "0", 0700))
    abort();
  make("a/15");
  make("a/5");
  make("a/95");
  make("a/x");
  make("0/4");
  make("0d/5");
  joblist_start(&list, true);
  list.most = 3;
  list.fans = true;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    joblist_load(&list, directory);
    if (i == 0)
      tap_ok(strchr(list.fan, 'a') && strchr(list.fan, '0') && !list.fan[2],
             "which there are");
    if (i == 1)
      joblist_add(&list, "b/35");
    tap_is_string(rest(), wanted[i], "fan-out in its place");
  }
  joblist_end(&list);
  list.most = 3;
  list.fans = true;
  do {
    joblist_load(&list, directory);
    while (joblist_next(&list))
      found++;
  } while (list.more);
  joblist_end(&list);
  joblist_start(&list, false);
  list.most = 3;
  list.fans = true;
  do {
    joblist_load(&list, directory);
    while (joblist_next(&list))
      found++;
  } while (list.more);
  tap_is_number((long long)found, 22, "all of them, ordered or not");
  joblist_end(&list);
  unlinkat(directory, "a/15", 0);
  unlinkat(directory, "a/5", 0);
  unlinkat(directory, "a/95", 0);
  unlinkat(directory, "a/x", 0);
  unlinkat(directory, "0/4", 0);
  unlinkat(directory, "0d/5", 0);
  unlinkat(directory, "a", AT_REMOVEDIR);
  unlinkat(directory, "0", AT_REMOVEDIR);
  unlinkat(directory, "0d", AT_REMOVEDIR);
}

static void
test_limits(void)
{
  char name[JOBLIST_NAME_MAX + 2];
  memset(name, '3', sizeof name - 1);
  name[sizeof name - 1] = 0;
  clean();
  make(name);
  joblist_start(&list, true);
  joblist_load(&list, directory);
  joblist_add(&list, name);
  tap_ok(!joblist_next(&list), "a name too long is not listed");
  tap_is_number((long long)list.too_long, 1, "but counted");
  name[JOBLIST_NAME_MAX] = 0;
  make(name);
  joblist_load(&list, directory);
  tap_is_string(joblist_next(&list), name, "the longest name");
  joblist_end(&list);
  joblist_start(&list, true);
  tap_is_number(joblist_load(&list, -1), -1, "no directory");
  joblist_end(&list);
}

static void
test_many(void)
{
  char name[20], last[20] = "";
  char const *next;
  bool sorted = true;
  joblist_start(&list, true);
  for (unsigned int i = 0; i < 5000; i++) {
    snprintf(name, sizeof name, "%05u", i * 7919 % 5000);
    joblist_add(&list, name);
  }
  size_t found = 0;
  for (; (next = joblist_next(&list)); found++) {
    sorted &= strcmp(last, next) < 0;
    strcpy(last, next);
  }
  tap_ok(sorted && found == 5000, "arrivals come out sorted");
  joblist_end(&list);
}

int
main(void)
{
  char command[100];
  if (!mkdtemp(top) || (directory = open(top, O_RDONLY)) == -1)
    abort();
  test_ordered();
  test_unordered();
  test_fans();
  test_limits();
  test_many();
  snprintf(command, sizeof command, "rm -rf %s", top);
  if (system(command))
    abort();
  return tap_done();
}
