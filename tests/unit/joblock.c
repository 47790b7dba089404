/* Locks: taken, kept, taken over when stale, and only then. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/joblock.h"
#include "tests/unit/tap.h"

/* No process has it: the kernel gives no number that is so large. */
#define DEAD_PID (1LL << 22)

static struct jobqueue queue;
static struct joblocker locker;
static struct joblock lock;
static char top[] = "/tmp/joblock.XXXXXX";

static void
shell(char const *command)
{
  if (system(command))
    abort();
}

static enum joblock_result
take_with(struct joblock *with, char const *job)
{
  int control = openat(queue.queue, job, O_RDONLY);
  enum joblock_result result =
      joblock_take(with, &locker, &queue, job, control);
  close(control);
  return result;
}

/* A lock of somebody else, last touched age_s seconds ago. */
static void
put_lock(char const *text, int64_t age_s)
{
  struct timespec times[2] = {{time(NULL) - age_s, 0}, {time(NULL) - age_s, 0}};
  int fd = openat(queue.active, "1", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd == -1 || write(fd, text, strlen(text)) == -1 || futimens(fd, times))
    abort();
  close(fd);
}

static void
remove_lock(void)
{
  unlinkat(queue.active, "1", 0);
}

static void
test_parse(void)
{
  static struct {
    char const *text;
    pid_t pid; /* 0: none */
  } const cases[] = {{"vm\n17\n", 17},
                     {"vm\n17\nmore", 17},
                     {"vm\n2147483647\n", 2147483647},
                     {"", 0},
                     {"vm", 0},
                     {"vm\n", 0},
                     {"vm\n17", 0},
                     {"\n17\n", 0},
                     {"vm\n0\n", 0},
                     {"vm\n-1\n", 0},
                     {"vm\n17x\n", 0},
                     {"vm\n 17\n", 0},
                     {"vm\n\n", 0},
                     {"vm\n2147483648\n", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[40];
    pid_t pid = 0;
    strcpy(text, cases[i].text);
    int good = joblock_parse(text, strlen(text), &pid);
    tap_ok(good == (cases[i].pid != 0) && (!good || pid == cases[i].pid),
           "lock text %zu", i);
    tap_ok(!good || !strcmp(text, "vm"), "its host");
  }
  pid_t pid;
  char nul[] = "v\0m\n1\n";
  tap_ok(!joblock_parse(nul, sizeof nul - 1, &pid), "a NUL");
}

static void
test_take(void)
{
  struct joblock other;
  char text[JOBLOCK_TEXT_MAX] = "";
  char wanted[JOBLOCK_TEXT_MAX];
  joblock_init(&other, &locker);
  tap_ok(take_with(&lock, "1") == JOBLOCK_TAKEN, "taken");
  int fd = openat(queue.active, "1", O_RDONLY);
  if (read(fd, text, sizeof text - 1) < 0)
    abort();
  close(fd);
  snprintf(wanted, sizeof wanted, "host\n%lld\n", (long long)getpid());
  tap_is_string(text, wanted, "the lock's text");
  tap_ok(joblock_owns(&lock, &queue), "ours");
  tap_ok(take_with(&other, "1") == JOBLOCK_BUSY, "not taken twice");
  tap_ok(take_with(&other, "2") == JOBLOCK_TAKEN, "another job is");
  struct timespec old[2] = {{1, 0}, {1, 0}};
  struct stat status;
  futimens(lock.fd, old);
  tap_ok(take_with(&other, "1") == JOBLOCK_BUSY,
         "nor from another place of ours, however old");
  tap_ok(take_with(&other, "2") == JOBLOCK_TAKEN, "what is ours is ours");
  tap_ok(joblock_beat(&lock, &queue), "touched");
  fstatat(queue.active, "1", &status, 0);
  tap_ok(status.st_mtime > 1, "now");
  tap_is_number(joblock_drop(&lock, &queue), 0, "dropped");
  tap_ok(faccessat(queue.active, "1", F_OK, 0) == -1, "gone");
  tap_ok(!joblock_owns(&lock, &queue), "not ours any more");
  joblock_drop(&other, &queue);
  joblock_remove(&other, &queue);
  locker.first = &lock;
}

static void
test_lost(void)
{
  take_with(&lock, "1");
  remove_lock();
  tap_ok(!joblock_owns(&lock, &queue) && !joblock_beat(&lock, &queue),
         "a lock that was removed is lost");
  put_lock("other\n1\n", 0);
  tap_ok(!joblock_owns(&lock, &queue), "and so is one of another's");
  tap_is_number(joblock_drop(&lock, &queue), 0, "dropping it");
  tap_ok(faccessat(queue.active, "1", F_OK, 0) == 0, "leaves the other's");
  remove_lock();
}

static void
stale(char const *text, int64_t age_s, bool wanted, char const *name)
{
  put_lock(text, age_s);
  bool taken = take_with(&lock, "1") == JOBLOCK_TAKEN;
  tap_ok(taken == wanted, "%s, %lld s: %s", name, (long long)age_s,
         wanted ? "taken over" : "left");
  if (taken)
    joblock_drop(&lock, &queue);
  remove_lock();
}

static void
test_stale(void)
{
  char dead[60], own[60];
  snprintf(dead, sizeof dead, "host\n%lld\n", DEAD_PID);
  snprintf(own, sizeof own, "host\n%lld\n", (long long)getpid());
  stale(dead, 900, true, "a dead process");
  tap_ok(!strncmp(lock.robbed, "host ", 5), "whose it was");
  stale(dead, 580, false, "a dead process");
  stale(dead, -900, false, "a dead process, in the future");
  stale(own, 900, true, "our own process id, of an earlier life");
  stale("host\n1\n", 90000, false, "a live process");
  stale("other\n1\n", 90000, false, "another host");
  stale("", 870, true, "nothing");
  tap_is_string(lock.robbed, "unknown", "whose it was");
  stale("", 840, false, "nothing");
  stale("host\n", 870, true, "no process id");
  stale("host\n-1\n", 870, true, "no good process id");
  locker.remote_s = 3600;
  stale("other\n1\n", 3500, false, "another host, if told so");
  stale("other\n1\n", 3900, true, "another host, if told so");
  locker.remote_s = 0;
  if (mkdirat(queue.active, "1", 0700))
    abort();
  tap_ok(take_with(&lock, "1") == JOBLOCK_BUSY, "a directory is left");
  unlinkat(queue.active, "1", AT_REMOVEDIR);
}

static void
test_fudge(void)
{
  char dead[60];
  int early = 0;
  snprintf(dead, sizeof dead, "host\n%lld\n", DEAD_PID);
  for (uint64_t i = 0; i < 64; i++) {
    locker.seed = i * 0x9e3779b97f4a7c15;
    put_lock(dead, 728);
    early += take_with(&lock, "1") == JOBLOCK_TAKEN;
    joblock_drop(&lock, &queue);
    remove_lock();
  }
  tap_ok(early > 16 && early < 48, "half of all wait for more (%d)", early);
}

static void
test_flock(void)
{
  char dead[60];
  snprintf(dead, sizeof dead, "host\n%lld\n", DEAD_PID);
  int control = openat(queue.queue, "1", O_RDONLY);
  flock(control, LOCK_EX);
  stale(dead, 900, false, "somebody else is at it");
  close(control);
  control = openat(queue.queue, "1", O_RDONLY);
  shell("cp q/queue/1 q/new && mv q/new q/queue/1");
  put_lock(dead, 900);
  tap_ok(joblock_take(&lock, &locker, &queue, "1", control) == JOBLOCK_BUSY,
         "the control file is another one");
  close(control);
  remove_lock();
}

static void
test_missing(void)
{
  shell("rm q/tmp/*");
  tap_ok(take_with(&lock, "1") == JOBLOCK_TAKEN, "our file in tmp was removed");
  joblock_drop(&lock, &queue);
  shell("rm -r q/tmp");
  tap_ok(take_with(&lock, "1") == JOBLOCK_TAKEN, "all of tmp was");
  joblock_drop(&lock, &queue);
  shell("rm -r q/active");
  tap_ok(take_with(&lock, "1") == JOBLOCK_TAKEN, "active was");
  shell("[ $(ls q/tmp | wc -l) = 1 ]");
  shell("rm -r q/active");
  tap_ok(!joblock_owns(&lock, &queue), "with a lock of ours in it");
  joblock_drop(&lock, &queue);
  shell("rm -r q/tmp; mkdir q/active");
  tap_ok(take_with(&lock, "1") == JOBLOCK_TAKEN, "active is another, no tmp");
  joblock_drop(&lock, &queue);
  shell("mv q gone");
  shell("rm -r gone/active gone/tmp");
  tap_ok(take_with(&lock, "1") == JOBLOCK_TAKEN, "the queue was moved");
  joblock_drop(&lock, &queue);
  int control = openat(queue.queue, "1", O_RDONLY);
  shell("rm -r gone");
  tap_ok(joblock_take(&lock, &locker, &queue, "1", control) == JOBLOCK_FAILED,
         "all was");
  tap_is_string(queue.failure.action, "create", "is said");
  close(control);
}

static void
test_host(void)
{
  static char name[JOBLOCK_HOST_MAX + 2];
  struct joblocker named;
  struct joblock long_lock;
  memset(name, 'h', sizeof name - 1);
  tap_is_number(joblock_start(&named, name), -1, "a host name too long");
  name[JOBLOCK_HOST_MAX] = 0;
  tap_is_number(joblock_start(&named, name), 0, "the longest");
  joblock_init(&long_lock, &named);
  tap_is_number(joblock_prepare(&long_lock, &named, &queue), 0,
                "has a lock's file");
  joblock_remove(&long_lock, &queue);
  joblock_start(&named, "a\r\nb");
  tap_is_string(named.host, "ab", "without CR and LF");
  joblock_start(&named, "");
  tap_is_string(named.host, "nohost", "none");
}

int
main(void)
{
  char command[100];
  if (!mkdtemp(top) || chdir(top))
    abort();
  shell("mkdir -p q/queue && echo x >q/queue/1 && echo x >q/queue/2");
  jobqueue_start(&queue, "q");
  if (jobqueue_ready(&queue) == -1 || joblock_start(&locker, "host") == -1)
    abort();
  joblock_init(&lock, &locker);
  test_parse();
  test_take();
  test_lost();
  test_stale();
  test_fudge();
  test_flock();
  test_host();
  test_missing();
  joblock_remove(&lock, &queue);
  snprintf(command, sizeof command, "rm -rf %s", top);
  shell(command);
  return tap_done();
}
