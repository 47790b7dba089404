/* The directories of a queue: made, found again, refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/jobqueue.h"
#include "tests/unit/tap.h"

static struct jobqueue queue;
static char top[] = "/tmp/jobqueue.XXXXXX";

static void
shell(char const *command)
{
  if (system(command))
    abort();
}

static int
is_directory(char const *path)
{
  struct stat status;
  return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static void
failed(int error, char const *action, char const *path)
{
  char absolute[100];
  snprintf(absolute, sizeof absolute, "%s%s", path[0] == '/' ? top : "", path);
  tap_is_number(errno, error, "its errno");
  tap_is_number(queue.failure.error, error, "noted");
  tap_is_string(queue.failure.action, action, "what was tried");
  tap_is_string(queue.failure.path, absolute, "on what");
}

static void
test_start(void)
{
  static char name[JOBQUEUE_PATH_MAX + 2];
  memset(name, 'a', sizeof name - 1);
  tap_is_number(jobqueue_start(&queue, name), -1, "a path too long");
  tap_is_number(errno, ENAMETOOLONG, "its errno");
  name[JOBQUEUE_PATH_MAX] = 0;
  tap_is_number(jobqueue_start(&queue, name), 0, "the longest path");
  tap_is_number(jobqueue_start(&queue, ""), -1, "an empty path");
  tap_is_number(errno, EINVAL, "its errno");
  tap_is_number(jobqueue_start(&queue, "a\nb"), -1, "a path with a LF");
  tap_is_number(errno, EINVAL, "its errno");
}

static void
test_ready(void)
{
  jobqueue_start(&queue, "q");
  tap_is_number(jobqueue_ready(&queue), -1, "a missing queue is not made");
  failed(ENOENT, "open", "q");
  tap_ok(!is_directory("q"), "it is still missing");
  shell("mkdir q");
  tap_is_number(jobqueue_ready(&queue), 0, "ready when it is there");
  tap_ok(is_directory("q/tmp") && is_directory("q/data") &&
             is_directory("q/queue") && is_directory("q/active"),
         "its parts were made");
  int fd = queue.queue;
  tap_is_number(jobqueue_ready(&queue), 0, "ready again");
  tap_is_number(queue.queue, fd, "with the same descriptors");
  shell("mv q old; mkdir q");
  tap_is_number(jobqueue_ready(&queue), 0, "another directory of that name");
  tap_ok(is_directory("q/queue"), "is used from then on");
  shell("rmdir q/queue");
  tap_is_number(jobqueue_ready(&queue), 0, "queue removed");
  tap_ok(is_directory("q/queue"), "is made again");
  shell("rm -r q old");
  tap_is_number(jobqueue_ready(&queue), -1, "all removed");
  tap_is_number(queue.root, -1, "then it is closed");
}

static void
test_links(void)
{
  shell("mkdir real other; ln -s real link");
  jobqueue_start(&queue, "link");
  tap_is_number(jobqueue_ready(&queue), 0, "a link to the queue is followed");
  char path[64];
  snprintf(path, sizeof path, "%s/real", top);
  tap_is_string(queue.path, path, "to its absolute path");
  shell("ln -sfn other link");
  tap_is_number(jobqueue_ready(&queue), 0, "the link leads elsewhere");
  tap_ok(is_directory("other/queue"), "and is followed there");
  shell("rm -r other/tmp; ln -s /tmp other/tmp");
  jobqueue_close(&queue);
  tap_is_number(jobqueue_ready(&queue), -1, "a link in place of tmp");
  failed(ENOTDIR, "open", "/other/tmp");
  shell("rm -r real other link; mkdir 'l\nf'; ln -s 'l\nf' link");
  jobqueue_start(&queue, "link");
  tap_is_number(jobqueue_ready(&queue), -1, "a link to a path with a LF");
  failed(EINVAL, "open", "link");
  shell("rm -r 'l\nf' link");
}

/* Of a process that may have few descriptors. */
static void
test_few(void)
{
  struct rlimit limit = {32, 32};
  char path[] = "data/0/0/name";
  int opened = 0;
  shell("mkdir q");
  setrlimit(RLIMIT_NOFILE, &limit);
  jobqueue_start(&queue, "q");
  jobqueue_ready(&queue);
  for (int i = 0; i < 100; i++) {
    path[5] = (char)('0' + i / 10);
    path[7] = (char)('0' + i % 10);
    opened += jobqueue_leaf(&queue, path) >= 0;
  }
  tap_is_number(opened, 100, "more hash directories than descriptors");
  jobqueue_close(&queue);
  int fd = open(".", O_RDONLY);
  tap_ok(fd >= 0 && fd < 6, "all are closed in the end");
  close(fd);
  shell("rm -r q");
}

static void
test_leaf(void)
{
  static char const path[] = "data/4/2/name";
  shell("mkdir q");
  jobqueue_start(&queue, "q");
  jobqueue_ready(&queue);
  int fd = jobqueue_leaf(&queue, path);
  tap_ok(fd >= 0 && is_directory("q/data/4/2"), "a hash directory is made");
  tap_is_number(jobqueue_leaf(&queue, path), fd, "and stays open");
  tap_is_number(jobqueue_leaf(&queue, "data/4/2/n"), fd, "for other names");
  tap_ok(jobqueue_leaf(&queue, "data/2/4/name") != fd,
         "not for those of others");
  shell("rm -r q/data/4");
  jobqueue_forget_leaf(&queue, path);
  fd = jobqueue_leaf(&queue, path);
  tap_ok(fd >= 0 && is_directory("q/data/4/2"), "and made again");
  shell("rm -r q/data");
  jobqueue_forget_leaf(&queue, path);
  fd = jobqueue_leaf(&queue, path);
  tap_ok(fd >= 0 && is_directory("q/data/4/2"), "with data itself");
  jobqueue_forget_leaf(&queue, path);
  shell("rm -r q/data/4/2; ln -s /tmp q/data/4/2");
  tap_is_number(jobqueue_leaf(&queue, path), -1, "a link in its place");
  failed(ENOTDIR, "open the directory of", "/q/data/4/2/name");
  shell("rm -r q/data/4; ln -s /tmp q/data/4");
  tap_is_number(jobqueue_leaf(&queue, path), -1, "or in place of its parent");
  shell("rm -r q/tmp");
  tap_is_number(jobqueue_renew_tmp(&queue), 0, "tmp can be renewed");
  tap_ok(is_directory("q/tmp"), "it is there");
  jobqueue_close(&queue);
  shell("rm -r q");
}

int
main(void)
{
  if (!mkdtemp(top) || chdir(top) == -1)
    abort();
  test_start();
  test_ready();
  test_links();
  test_leaf();
  test_few();
  rmdir(top);
  return tap_done();
}
