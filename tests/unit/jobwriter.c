/* The way into the queue: names that collide, files that are left, sizes. What
 * the kernel refuses is in tests/e2e/deliver-dirqueue-faults.t. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/jobwriter.h"
#include "tests/unit/tap.h"

static struct jobwriter writer;
static char top[] = "/tmp/jobwriter.XXXXXX";
static uint16_t randoms[64];
static size_t drawn;
static struct timespec instant = {.tv_sec = 1795218626, .tv_nsec = 95324999};

/* In place of the C library's: as over NFS, where the answer can get lost. */
static int lost_links; /* how many links are made and reported as failed */

int
linkat(int from, char const *name, int to, char const *target, int flags)
{
  int made = (int)syscall(SYS_linkat, from, name, to, target, flags);
  if (made == -1 || !lost_links)
    return made;
  lost_links--;
  errno = EIO;
  return -1;
}

static int
stub_clock(struct timespec *now)
{
  *now = instant;
  return 0;
}

static int
stub_random(uint16_t *number)
{
  *number = randoms[drawn++ % 64];
  return 0;
}

static int
failing_random(uint16_t *number)
{
  (void)number;
  errno = ENOSYS;
  return -1;
}

static void
start(void)
{
  if (system("rm -rf q && mkdir q"))
    abort();
  tap_is_number(jobwriter_start(&writer, "q", 50, "vm"), 0, "start");
  writer.source = (struct jobwriter_source){stub_clock, stub_random};
  drawn = 0;
  for (size_t i = 0; i < 64; i++)
    randoms[i] = 7;
}

/* The number of files under the queue. */
static int
files(void)
{
  char line[16] = "";
  FILE *find = popen("exec find q ! -type d -printf x | wc -c", "r");
  if (!find || !fgets(line, sizeof line, find))
    abort();
  pclose(find);
  return atoi(line);
}

static size_t
slurp(char const *path, char *out, size_t size)
{
  int fd = open(path, O_RDONLY);
  ssize_t n = fd == -1 ? 0 : read(fd, out, size);
  close(fd);
  return n > 0 ? (size_t)n : 0;
}

static int
submit(char const *bytes, size_t n)
{
  static struct metadata const line = {"k", "v", 1};
  int exists = -1;
  if (jobwriter_begin(&writer) == -1 ||
      jobwriter_write(&writer, bytes, n) == -1 ||
      jobwriter_commit(&writer, &line, 1, &exists) == -1)
    return -1;
  return exists;
}

static void
test_job(void)
{
  char got[4096], wanted[4096], path[256];
  start();
  tap_is_number(submit("hello\n\0\r\xff", 9), 1, "a job");
  char const *base = writer.base;
  snprintf(wanted, sizeof wanted, "50.20261120235026095324.");
  tap_ok(!strncmp(base, wanted, strlen(wanted)), "instant in its name");
  snprintf(path, sizeof path, "q/queue/%s", base);
  size_t n = slurp(path, got, sizeof got);
  int length = snprintf(wanted, sizeof wanted,
                        "QDFN: %s/q/data/0/7/%.*s\nQDSB: 9\nQSTT: "
                        "1795218626\nQSTM: 95324\nQSHN: vm\nk: v\n",
                        top, (int)strlen(base) - 2, base);
  tap_is_bytes(got, n, wanted, (size_t)length, "control file");
  snprintf(path, sizeof path, "q/data/0/7/%.*s", (int)strlen(base) - 2, base);
  n = slurp(path, got, sizeof got);
  tap_is_bytes(got, n, "hello\n\0\r\xff", 9, "data file");
  tap_is_number(files(), 2, "and nothing else");
}

static void
test_collisions(void)
{
  char bases[3][JOBNAME_BASE_MAX + 1];
  start();
  for (int i = 0; i < 3; i++) {
    randoms[0] = randoms[1] = randoms[2] = 7;
    randoms[3] = (uint16_t)(100 + i);
    randoms[4] = 8;
    drawn = 0;
    tap_is_number(submit("x", 1), 1, "a job of the same instant");
    strcpy(bases[i], writer.base);
  }
  tap_ok(strcmp(bases[0], bases[1]) && strcmp(bases[1], bases[2]) &&
             strcmp(bases[0], bases[2]),
         "three names");
  tap_is_number(files(), 6, "three jobs");
  for (size_t i = 0; i < 64; i++)
    randoms[i] = 7;
  tap_is_number(submit("x", 1), -1, "no free name");
  tap_is_number(errno, EEXIST, "its errno");
  tap_is_string(writer.queue.failure.action, "link", "what was tried");
  tap_is_number(files(), 6, "nothing left of it");
}

/* A file of another process in tmp, under the name that comes first. */
static void
test_taken_in_tmp(void)
{
  char path[256];
  struct stat status;
  start();
  jobwriter_begin(&writer);
  snprintf(path, sizeof path, "q/tmp/%s", writer.tmp_data);
  jobwriter_abandon(&writer);
  if (symlink("/nowhere/at/all", path) == -1)
    abort();
  randoms[1] = 9;
  drawn = 0;
  tap_is_number(submit("x", 1), 1, "a link stands under the first name");
  tap_ok(lstat(path, &status) == 0, "it was left alone");
  tap_is_number(files(), 3, "the job has another name");
  for (size_t i = 0; i < 64; i++)
    randoms[i] = 7;
  tap_is_number(jobwriter_begin(&writer), -1, "no other name");
  tap_is_number(errno, EEXIST, "its errno");
  tap_ok(lstat(path, &status) == 0, "it was left alone again");
}

static void
test_sizes(void)
{
  static size_t const sizes[] = {0,
                                 1,
                                 JOBWRITER_DATA_BUFFER - 1,
                                 JOBWRITER_DATA_BUFFER,
                                 JOBWRITER_DATA_BUFFER + 1,
                                 3 * JOBWRITER_DATA_BUFFER + 5};
  static char bytes[4 * JOBWRITER_DATA_BUFFER];
  static char got[sizeof bytes];
  char path[300];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (char)(i * 31 + i / 251);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (size_t step = 1000; step < sizeof bytes; step *= 70) {
      int exists;
      start();
      jobwriter_begin(&writer);
      for (size_t at = 0; at < sizes[i]; at += step)
        jobwriter_write(&writer, bytes + at,
                        sizes[i] - at < step ? sizes[i] - at : step);
      jobwriter_commit(&writer, NULL, 0, &exists);
      snprintf(path, sizeof path, "q/%s", writer.data_path);
      size_t n = slurp(path, got, sizeof got);
      tap_is_bytes(got, n, bytes, sizes[i], "data in pieces");
      tap_is_number((long long)writer.data_bytes, (long long)sizes[i],
                    "and their number");
    }
  }
}

static void
test_nothing_left(void)
{
  static struct metadata const bad = {"Qabc", "v", 1};
  int exists = -1;
  start();
  jobwriter_begin(&writer);
  jobwriter_write(&writer, "x", 1);
  tap_is_number(files(), 1, "a file in tmp");
  jobwriter_abandon(&writer);
  tap_is_number(files(), 0, "none after it was abandoned");
  jobwriter_abandon(&writer);
  jobwriter_begin(&writer);
  jobwriter_begin(&writer);
  tap_is_number(files(), 1, "the next job takes the place of the last");
  tap_is_number(jobwriter_commit(&writer, &bad, 1, &exists), -1,
                "bad metadata");
  tap_is_number(errno, EINVAL, "its errno");
  tap_is_number(exists, 0, "no job");
  tap_is_number(files(), 0, "nothing left");
  tap_is_number(writer.queue.root, -1, "the queue will be looked for anew");
  writer.source.random = failing_random;
  tap_is_number(jobwriter_begin(&writer), -1, "no random number");
  instant.tv_sec = -1;
  writer.source.random = stub_random;
  tap_is_number(jobwriter_begin(&writer), -1, "a clock before 1970");
  instant.tv_sec = 1795218626;
  tap_is_number(submit("x", 1), 1, "all is well again");
}

/* Directories removed while the writer has them open. */
static void
test_removed(void)
{
  start();
  submit("x", 1);
  if (system("rm -r q/tmp q/data/0"))
    abort();
  randoms[drawn % 64] = 17;
  tap_is_number(submit("x", 1), 1, "tmp and a hash directory removed");
  int exists;
  jobwriter_begin(&writer);
  if (system("rm -r q/queue q/data"))
    abort();
  tap_is_number(jobwriter_commit(&writer, NULL, 0, &exists), 0,
                "queue and data removed in the middle");
  tap_is_number(files(), 2, "one job");
  jobwriter_begin(&writer);
  if (system("rm -r q/tmp"))
    abort();
  tap_is_number(jobwriter_commit(&writer, NULL, 0, &exists), -1,
                "the job's own file removed");
  tap_is_number(files(), 2, "no other job");
}

static void
test_modes(void)
{
  static mode_t const masks[] = {077, 022, 007, 0};
  struct stat status;
  char path[300];
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
    umask(masks[i]);
    start();
    submit("x", 1);
    snprintf(path, sizeof path, "q/queue/%s", writer.base);
    stat(path, &status);
    tap_is_number(status.st_mode & 07777, 0640 & ~masks[i], "control file");
    snprintf(path, sizeof path, "q/%s", writer.data_path);
    stat(path, &status);
    tap_is_number(status.st_mode & 07777, 0640 & ~masks[i], "data file");
    stat("q/data/0/7", &status);
    tap_is_number(status.st_mode & 07777, 0777 & ~masks[i], "hash directory");
    stat("q/queue", &status);
    tap_is_number(status.st_mode & 07777, 0777 & ~masks[i], "queue");
  }
  umask(022);
}

static void
test_lost_answer(void)
{
  start();
  lost_links = 2;
  tap_is_number(submit("x", 1), 1, "two links made, but reported as failed");
  tap_is_number(lost_links, 0, "both met it");
  tap_is_number(files(), 2, "one job");
}

static void
test_start(void)
{
  static char host[JOBWRITER_HOST_MAX + 2];
  tap_is_number(jobwriter_start(&writer, "q", 100, NULL), -1, "priority 100");
  tap_is_number(jobwriter_start(&writer, "q", 50, ""), -1, "an empty host");
  tap_is_number(jobwriter_start(&writer, "q", 50, "\n"), -1, "a host of a LF");
  tap_is_number(jobwriter_start(&writer, "q", 50, "a\r\nb"), 0, "CR and LF");
  tap_is_string(writer.host, "ab", "are left out");
  memset(host, 'a', JOBWRITER_HOST_MAX + 1);
  tap_is_number(jobwriter_start(&writer, "q", 50, host), -1, "too long a host");
  host[JOBWRITER_HOST_MAX] = 0;
  tap_is_number(jobwriter_start(&writer, "q", 50, host), 0, "the longest");
  tap_is_number(jobwriter_start(&writer, "q", 99, NULL), 0, "the host's own");
  tap_ok(writer.host[0], "is not empty");
  tap_is_number(jobwriter_start(&writer, "a\nb", 50, "vm"), -1, "a LF in it");
}

int
main(void)
{
  if (!mkdtemp(top) || chdir(top) == -1)
    abort();
  umask(022);
  test_job();
  test_collisions();
  test_taken_in_tmp();
  test_sizes();
  test_nothing_left();
  test_removed();
  test_modes();
  test_lost_answer();
  test_start();
  if (!system("exec rm -rf q"))
    rmdir(top);
  return tap_done();
}
