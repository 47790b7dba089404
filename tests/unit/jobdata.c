/* Data files: found in the queue alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/jobdata.h"
#include "tests/unit/tap.h"

static struct jobqueue queue;
static struct jobdata data;
static char top[] = "/tmp/jobdata.XXXXXX";
static char out[JOBDATA_PATH_MAX + 1];

static void
shell(char const *command)
{
  if (system(command))
    abort();
}

/* %s in path is the queue's own path. */
static char const *
locate(char const *path)
{
  static char text[JOBQUEUE_FILE_MAX + 1];
  char const *mark = strstr(path, "%s");
  if (mark)
    snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - path), path,
             queue.path, mark + 2);
  else
    snprintf(text, sizeof text, "%s", path);
  return jobdata_locate(&data, &queue, text, out);
}

static void
test_locate(void)
{
  static char const *const good[] = {
      "%s/data/a/b/n",    "data/a/b/n",           "q/data/a/b/n",
      "../../data/a/b/n", "/no/where/data/a/b/n", "%s//data/a/b/n",
      "%s/./data/a/b/n",  "%s/../link/data/a/b/n"};
  static char const *const bad[] = {"%s/data/a/b/",
                                    "%s/data/a/b/.",
                                    "%s/data/a/b/..",
                                    "%s/data/./b/n",
                                    "%s/data/a/../n",
                                    "%s/data/aa/b/n",
                                    "%s/data/a/n",
                                    "%s/xdata/a/b/n",
                                    "/etc/passwd",
                                    "passwd",
                                    "/",
                                    "%s/queue/50.x",
                                    "%s/data/a/b/c/n",
                                    "%s/../other/data/a/b/n"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    tap_ok(!locate(good[i]), "ours: %s", good[i]);
    tap_is_string(out, "data/a/b/n", "there");
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    tap_ok(locate(bad[i]) != NULL, "not ours: %s", bad[i]);
  static char longest[NAME_MAX + 20] = "data/a/b/";
  memset(longest + 9, 'n', NAME_MAX);
  tap_ok(!locate(longest), "the longest name");
  longest[9 + NAME_MAX] = 'n';
  tap_ok(locate(longest) != NULL, "one byte more");
}

static void
opens(char const *located, char const *reason)
{
  uint64_t bytes = 0;
  char const *why = NULL;
  int fd = jobdata_open(&data, &queue, located, &bytes, &why);
  tap_ok((fd >= 0) == !reason, "%s: %s", located, reason ? "not" : "opened");
  if (reason)
    tap_is_string(why ? why : "", reason, located);
  else
    tap_is_number((long long)bytes, 3, located);
  if (fd >= 0)
    close(fd);
}

static void
test_open(void)
{
  opens("data/a/b/n", NULL);
  opens("data/a/b/gone", "data file is gone");
  opens("data/x/y/n", "data file is gone");
  opens("data/a/b/link", "data file is a symbolic link");
  opens("data/a/b/dir", "data file is no regular file");
  opens("data/a/b/fifo", "data file is no regular file");
  opens("data/l/b/n", "unable to open the data file");
  opens("data/a/l/n", "unable to open the data file");
  shell("mv q/data/a/b q/data/old && mkdir q/data/a/b && "
        "printf new >q/data/a/b/m");
  opens("data/a/b/m", NULL);
}

static void
test_remove(void)
{
  tap_is_number(jobdata_remove(&data, &queue, "data/a/b/m"), 0, "removed");
  opens("data/a/b/m", "data file is gone");
  tap_is_number(jobdata_remove(&data, &queue, "data/a/b/m"), 0, "again");
  tap_is_number(jobdata_remove(&data, &queue, "data/x/y/m"), 0, "nowhere");
  tap_is_number(jobdata_remove(&data, &queue, "data/l/b/n"), -1, "by a link");
  tap_ok(access("other/data/a/b/n", F_OK) == 0, "the victim is there");
}

/* Many directories share the places that are kept. */
static void
test_many(void)
{
  static char const letters[] = "abcdefghijklmnopqrst";
  char command[100], located[20];
  int good = 0, all = 0;
  shell("for x in a b c d e f g h i j k m n o p q r s t; do for y in a b c d e "
        "f g h i j k m n o p q r s t; do mkdir -p q/data/$x/$y && printf "
        "$x$y. >q/data/$x/$y/f; done; done");
  for (int round = 0; round < 2; round++)
    for (char const *x = letters; *x; x++)
      for (char const *y = letters; *y; y++) {
        uint64_t bytes;
        char const *reason;
        char text[4] = "";
        if (*x == 'l' || *y == 'l')
          continue;
        snprintf(located, sizeof located, "data/%c/%c/f", *x, *y);
        int fd = jobdata_open(&data, &queue, located, &bytes, &reason);
        all++;
        good +=
            fd >= 0 && read(fd, text, 3) == 3 && text[0] == *x && text[1] == *y;
        if (fd >= 0)
          close(fd);
      }
  tap_is_number(good, all, "each has its own file");
  snprintf(command, sizeof command, "rm -rf %s", top);
  shell(command);
}

int
main(void)
{
  if (!mkdtemp(top) || chdir(top))
    abort();
  shell("mkdir -p q other/data/a/b && printf abc >other/data/a/b/n && "
        "ln -s q link");
  jobqueue_start(&queue, "q");
  if (jobqueue_ready(&queue) == -1)
    abort();
  shell("mkdir -p q/data/a/b/dir && printf abc >q/data/a/b/n && "
        "ln -s n q/data/a/b/link && mkfifo q/data/a/b/fifo && "
        "ln -s ../../other/data/a q/data/l && "
        "ln -s ../../../other/data/a/b q/data/a/l");
  test_locate();
  test_open();
  test_remove();
  test_many();
  jobdata_close(&data);
  jobqueue_close(&queue);
  return tap_done();
}
