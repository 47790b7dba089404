/* Caps of a queue: what counts, when it is counted again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deliver/queuecap.h"
#include "tests/unit/tap.h"

static int counted;
static uint64_t there;

static int
stub(int directory, uint64_t enough, uint64_t *count)
{
  (void)directory;
  counted++;
  *count = there < enough ? there : enough;
  return 0;
}

static int
failing(int directory, uint64_t enough, uint64_t *count)
{
  (void)directory;
  (void)enough;
  (void)count;
  errno = EACCES;
  return -1;
}

static void
test_room(void)
{
  struct queuecap cap;
  queuecap_start(&cap, 0, stub);
  counted = 0;
  tap_ok(queuecap_has_room(&cap, -1, UINT64_MAX) == 1 && !counted,
         "no cap, no counting");
  queuecap_start(&cap, 3, stub);
  there = 1;
  tap_is_number(queuecap_has_room(&cap, -1, 1), 1, "below");
  tap_is_number(counted, 1, "counted once");
  queuecap_add(&cap, 1);
  tap_is_number(queuecap_has_room(&cap, -1, 1), 1, "the last one");
  tap_is_number(counted, 1, "not counted again");
  queuecap_add(&cap, 1);
  there = 3;
  tap_is_number(queuecap_has_room(&cap, -1, 1), 0, "full");
  tap_is_number(counted, 2, "counted again before it says so");
  there = 2;
  cap.full_ns = 0;
  tap_is_number(queuecap_has_room(&cap, -1, 1), 1, "room again");
  there = 3;
  cap.fresh_ns = 0;
  tap_is_number(queuecap_has_room(&cap, -1, 1), 0, "an old count is renewed");
  tap_is_number(queuecap_has_room(&cap, -1, 4), 0, "more than the cap");
  tap_is_number(queuecap_has_room(&cap, -1, UINT64_MAX), 0, "no overflow");
  queuecap_start(&cap, 3, failing);
  tap_is_number(queuecap_has_room(&cap, -1, 1), -1, "counting fails");
  tap_is_number(errno, EACCES, "its errno");
}

static void
touch(char const *path, size_t n)
{
  int fd = open(path, O_WRONLY | O_CREAT, 0600);
  if (fd == -1 || ftruncate(fd, (off_t)n) == -1)
    abort();
  close(fd);
}

static uint64_t
count(int (*counter)(int, uint64_t, uint64_t *), char const *name,
      uint64_t enough)
{
  uint64_t n = 0;
  int fd = open(name, O_RDONLY | O_DIRECTORY);
  if (fd == -1 || counter(fd, enough, &n) == -1 || counter(fd, enough, &n))
    return UINT64_MAX;
  close(fd);
  return n;
}

static void
test_directories(void)
{
  char directory[] = "/tmp/queuecap.XXXXXX";
  if (!mkdtemp(directory) || chdir(directory) == -1)
    abort();
  mkdir("queue", 0700);
  mkdir("queue/9", 0700);
  mkdir("data", 0700);
  tap_is_number((long long)count(queuecap_jobs, "queue", 10), 0, "no jobs");
  tap_is_number((long long)count(queuecap_bytes, "data", 10), 0, "no bytes");
  mkdir("data/4", 0700);
  mkdir("data/4/2", 0700);
  mkdir("data/x", 0700);
  mkdir("data/x/y", 0700);
  touch("queue/50.1", 0);
  touch("queue/7", 0);
  touch("queue/foo", 0);
  touch("queue/.50", 0);
  touch("data/stray", 1000);
  touch("data/4/2/a", 10);
  touch("data/4/2/b", 20);
  touch("data/x/y/c", 30);
  tap_is_number((long long)count(queuecap_jobs, "queue", 10), 2,
                "names that begin with a digit, no directories");
  tap_is_number((long long)count(queuecap_jobs, "queue", 1), 1, "enough");
  tap_is_number((long long)count(queuecap_bytes, "data", 1000), 60,
                "files two levels down");
  tap_ok(count(queuecap_bytes, "data", 15) < 60, "no further than enough");
  if (!system("exec rm -r queue data"))
    rmdir(directory);
}

int
main(void)
{
  test_room();
  test_directories();
  return tap_done();
}
