/* Jobs: taken, refused when damaged, finished, given back, put aside. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/jobtaker.h"
#include "tests/unit/tap.h"

static struct jobtaker taker;
static struct job *job;
static char top[] = "/tmp/jobtaker.XXXXXX";

static void
shell(char const *command)
{
  if (system(command))
    abort();
}

static void
put(char const *path, char const *text, size_t n)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd == -1 || write(fd, text, n) != (ssize_t)n)
    abort();
  close(fd);
}

/* The job "5" with this control file, its data "data/a/b/5" of 3 bytes. */
static void
put_job(char const *control)
{
  put("q/data/a/b/5", "abc", 3);
  put("q/queue/5", control, strlen(control));
}

static bool
exists(char const *path)
{
  struct stat status;
  return lstat(path, &status) == 0;
}

static char const *
content(char const *path)
{
  static char text[4096];
  int fd = open(path, O_RDONLY);
  ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0)
    close(fd);
  text[n < 0 ? 0 : n] = 0;
  return text;
}

#define GOOD "QDFN: data/a/b/5\nQDSB: 3\na: b\n"

static void
test_finish(void)
{
  tap_ok(jobtaker_take(&taker, job, "5") == JOBTAKER_GONE, "there is none");
  put_job(GOOD);
  tap_ok(jobtaker_take(&taker, job, "5") == JOBTAKER_TAKEN, "taken");
  tap_ok(job->data_fd >= 0 && job->data_bytes == 3 && !job->longer, "its data");
  tap_is_string(job->data_path, "data/a/b/5", "its path");
  tap_is_string(jobrecord_find(&job->record, "a")->value, "b", "its metadata");
  tap_ok(exists("q/active/5"), "locked");
  tap_ok(jobtaker_finish(&taker, job) == JOBTAKER_DONE, "finished");
  tap_ok(!exists("q/active/5") && !exists("q/queue/5") &&
             !exists("q/data/a/b/5"),
         "nothing is left");
  put_job("QDFN: data/a/b/5\nQDSB: 2\n");
  tap_ok(jobtaker_take(&taker, job, "5") == JOBTAKER_TAKEN && job->longer,
         "data that is longer");
  tap_ok(jobtaker_release(&taker, job) == JOBTAKER_DONE, "given back");
  tap_ok(!exists("q/active/5") && exists("q/queue/5") &&
             exists("q/data/a/b/5") && job->data_fd == -1,
         "all is there");
  put("q/active/5", "other\n1\n", 8);
  tap_ok(jobtaker_take(&taker, job, "5") == JOBTAKER_BUSY, "another has it");
  unlink("q/active/5");
}

static void
test_lost(void)
{
  struct jobtaker_move const move = {.directory = "failed", .name = "5"};
  for (int way = 0; way < 3; way++) {
    put_job(GOOD);
    jobtaker_take(&taker, job, "5");
    unlink("q/active/5");
    put("q/active/5", "other\n1\n", 8);
    enum jobtaker_end end = way == 0   ? jobtaker_finish(&taker, job)
                            : way == 1 ? jobtaker_release(&taker, job)
                                       : jobtaker_move(&taker, job, &move);
    tap_ok(end == JOBTAKER_LOST && job->data_fd == -1, "lost, way %d", way);
    tap_ok(exists("q/active/5") && exists("q/queue/5") &&
               exists("q/data/a/b/5") && !exists("q/failed/5"),
           "nothing was touched");
    unlink("q/active/5");
  }
  tap_ok(!system("test -z \"$(ls q/tmp | grep ctrl)\""), "nothing in tmp");
}

/* Until it shows: the clock of a file system goes in steps. */
static void
mend(char const *path)
{
  struct stat before, now;
  stat(path, &before);
  do {
    put(path, GOOD, sizeof GOOD - 1);
    stat(path, &now);
  } while (now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
}

static void
damaged(char const *control, size_t n, char const *reason)
{
  static unsigned int serial;
  char name[20], path[40];
  snprintf(name, sizeof name, "6.%u", serial++);
  snprintf(path, sizeof path, "q/queue/%s", name);
  put(path, control, n);
  tap_ok(jobtaker_take(&taker, job, name) == JOBTAKER_DAMAGED, "damaged");
  tap_is_string(taker.reason ? taker.reason : "", reason, "how");
  snprintf(path, sizeof path, "q/active/%s", name);
  tap_ok(!exists(path) && job->data_fd == -1, "not locked");
  tap_ok(jobtaker_take(&taker, job, name) == JOBTAKER_KNOWN, "said once");
  snprintf(path, sizeof path, "q/queue/%s", name);
  mend(path);
  tap_ok(jobtaker_take(&taker, job, name) == JOBTAKER_TAKEN, "until mended");
  jobtaker_release(&taker, job);
  unlink(path);
}

static void
test_damaged(void)
{
  static char const victim[] = "QDFN: /etc/passwd\n";
  static char const gone[] = "QDFN: data/a/b/gone\n";
  static char const torn[] = "QDFN: data/a/b/5\nQDSB: 4\n";
  static char huge[JOBRECORD_TEXT_MAX + 1];
  put_job(GOOD);
  damaged("", 0, "cut short");
  damaged("\0\0\0", 3, "cut short");
  damaged("a: b\n", 5, "no data file named");
  damaged(victim, sizeof victim - 1, "data file not in the queue");
  damaged(gone, sizeof gone - 1, "data file is gone");
  damaged(torn, sizeof torn - 1, "data file cut short");
  memset(huge, '\n', sizeof huge);
  damaged(huge, sizeof huge, "control file too long");
}

static void
test_names(void)
{
  char name[JOBTAKER_NAME_MAX + 2], path[JOBTAKER_NAME_MAX + 20];
  memset(name, '7', sizeof name);
  name[JOBTAKER_NAME_MAX + 1] = 0;
  snprintf(path, sizeof path, "q/queue/%s", name);
  put(path, GOOD, sizeof GOOD - 1);
  tap_ok(jobtaker_take(&taker, job, name) == JOBTAKER_DAMAGED, "a long name");
  tap_is_string(taker.reason, "name too long", "is said");
  name[JOBTAKER_NAME_MAX] = 0;
  snprintf(path, sizeof path, "q/queue/%s", name);
  put(path, GOOD, sizeof GOOD - 1);
  tap_ok(jobtaker_take(&taker, job, name) == JOBTAKER_TAKEN, "the longest");
  jobtaker_release(&taker, job);
  shell("ln -s 5 q/queue/8s; mkfifo q/queue/8f; mkdir q/queue/8d");
  tap_ok(jobtaker_take(&taker, job, "8s") == JOBTAKER_GONE &&
             jobtaker_take(&taker, job, "8f") == JOBTAKER_GONE &&
             jobtaker_take(&taker, job, "8d") == JOBTAKER_GONE,
         "links, pipes and directories are no jobs");
  tap_ok(!exists("q/active/8f") && !exists("q/active/8d"), "nor locked");
}

static void
test_move(void)
{
  struct metadata const set[] = {{"a", "c", 1}, {"dq.tries", "1", 1}};
  struct jobtaker_move const move = {"deferred", "9.5", set, 2};
  char wanted[300];
  put_job(GOOD);
  jobtaker_take(&taker, job, "5");
  tap_ok(jobtaker_move(&taker, job, &move) == JOBTAKER_DONE, "put aside");
  tap_ok(!exists("q/queue/5") && !exists("q/active/5") &&
             exists("q/data/a/b/5"),
         "out of the queue");
  snprintf(wanted, sizeof wanted,
           "QDFN: %.200s/data/a/b/5\nQDSB: 3\na: c\ndq.tries: 1\n",
           taker.queue.path);
  tap_is_string(content("q/deferred/9.5"), wanted, "with new metadata");
  int directory = open("q/deferred", O_RDONLY);
  put("q/queue/5", "x", 1);
  tap_is_number(jobtaker_return(&taker, directory, "9.5", "5"), 0,
                "not over another job");
  tap_is_string(content("q/queue/5"), "x", "which stays");
  unlink("q/queue/5");
  tap_is_number(jobtaker_return(&taker, directory, "9.5", "5"), 1, "back");
  tap_is_string(content("q/queue/5"), wanted, "as it was");
  tap_is_number(jobtaker_return(&taker, directory, "9.5", "5"), 0, "once");
  close(directory);
  tap_ok(jobtaker_take(&taker, job, "5") == JOBTAKER_TAKEN, "taken again");
  shell("rm -r q/deferred && touch q/deferred");
  tap_ok(jobtaker_move(&taker, job, &move) == JOBTAKER_END_FAILED,
         "no place for it");
  tap_ok(exists("q/queue/5") && !exists("q/active/5"), "it stays, unlocked");
  tap_ok(!system("test -z \"$(ls q/tmp | grep ctrl)\""), "nothing in tmp");
  tap_ok(jobtaker_take(&taker, job, "5") == JOBTAKER_KNOWN,
         "and is left alone for a while");
}

/* Many damaged jobs: each is said once, whatever the others are called. */
static void
test_many_damaged(void)
{
  char path[40];
  unsigned int again = 0;
  for (unsigned int i = 0; i < 400; i++) {
    snprintf(path, sizeof path, "q/queue/7.%u", i % 200);
    if (i < 200)
      put(path, "", 0);
    again += jobtaker_take(&taker, job, path + 8) == JOBTAKER_DAMAGED;
  }
  tap_is_number(again, 200, "200 damaged jobs, each said once");
  shell("rm q/queue/7.*");
}

/* Two jobs of one name in queue/X and queue/Y put aside. */
static void
test_fan_out(void)
{
  struct jobtaker_move const move = {.directory = "failed", .name = "8.1"};
  shell("mkdir -p q/queue/a q/queue/b");
  put_job(GOOD);
  shell("cp q/queue/5 q/queue/a/8.1; mv q/queue/5 q/queue/b/8.1");
  tap_ok(jobtaker_take(&taker, job, "a/8.1") == JOBTAKER_TAKEN, "one is taken");
  tap_is_string(job->lock.job, "8.1", "its lock's name");
  tap_ok(exists("q/active/8.1"), "is locked so");
  tap_ok(jobtaker_move(&taker, job, &move) == JOBTAKER_DONE &&
             !exists("q/queue/a/8.1"),
         "is moved");
  tap_ok(jobtaker_take(&taker, job, "b/8.1") == JOBTAKER_TAKEN, "the other");
  tap_ok(jobtaker_move(&taker, job, &move) == JOBTAKER_END_FAILED &&
             exists("q/queue/b/8.1"),
         "does not take the one's place");
  shell("mv q/queue/b/8.1 q/queue/8.1");
  tap_ok(jobtaker_take(&taker, job, "8.1") == JOBTAKER_TAKEN &&
             jobtaker_move(&taker, job, &move) == JOBTAKER_END_FAILED &&
             exists("q/queue/8.1"),
         "nor does one without fan-out");
  shell("rm -r q/queue/8.1 q/queue/a q/queue/b q/failed");
}

static void
test_replaced(void)
{
  shell("mv q old && mkdir q");
  tap_is_number(jobtaker_ready(&taker), 0, "another queue of that name");
  shell("mkdir -p q/data/a/b");
  put_job(GOOD);
  tap_ok(jobtaker_take(&taker, job, "5") == JOBTAKER_TAKEN, "taken there");
  tap_ok(jobtaker_finish(&taker, job) == JOBTAKER_DONE &&
             !exists("q/data/a/b/5"),
         "finished there");
  if (geteuid()) {
    shell("chmod 500 q/tmp && mv q/queue old/queue2");
    tap_is_number(jobtaker_ready(&taker), -1, "tmp must not be written");
    shell("chmod 700 q/tmp");
  }
  shell("rm -r q");
  tap_is_number(jobtaker_ready(&taker), -1, "no queue");
}

int
main(void)
{
  char command[100];
  job = calloc(1, sizeof *job);
  if (!job || !mkdtemp(top) || chdir(top))
    abort();
  shell("mkdir -p q/data/a/b");
  if (jobtaker_start(&taker, "q", "host") == -1 || jobtaker_ready(&taker))
    abort();
  jobtaker_init(&taker, job);
  test_finish();
  test_lost();
  test_damaged();
  test_names();
  test_move();
  test_many_damaged();
  test_fan_out();
  test_replaced();
  jobdata_close(&taker.data);
  jobqueue_close(&taker.queue);
  snprintf(command, sizeof command, "rm -rf %s", top);
  shell(command);
  free(job);
  return tap_done();
}
