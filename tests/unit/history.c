#include "tests/unit/tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edge/history.h"

static char path[] = "/tmp/trapline-history.XXXXXX";

static struct network
network(unsigned int i)
{
  struct network made;
  char text[NETWORK_TEXT_MAX];
  snprintf(text, sizeof text, "10.%u.%u.0", i / 256, i % 256);
  network_of(&made, text, 24, 56);
  return made;
}

static void
close_history(struct history *history)
{
  munmap(history->entries, history->bytes);
  close(history->fd);
}

static void
test_instants(uint32_t instants)
{
  struct history history;
  struct network one = network(1), two = network(2);
  tap_is_number(history_open(&history, path, 4, instants), 0, "open");
  tap_ok(!history_find(&history, &one), "nobody is known");
  struct history_entry *entry = history_get(&history, &one);
  tap_is_number(history_instant(&history, entry, 1), 0, "no last instant");
  tap_is_number(history_instant(&history, entry, instants), 0, "nor a first");
  for (int64_t i = 1; i <= instants; i++)
    history_add(&history, entry, i);
  tap_is_number(history_instant(&history, entry, 1), instants, "the last");
  tap_is_number(history_instant(&history, entry, instants), 1, "the first");
  history_add(&history, entry, instants + 1);
  tap_is_number(history_instant(&history, entry, 1), instants + 1,
                "one more is the last");
  tap_is_number(history_instant(&history, entry, instants), 2,
                "and the first is gone");
  tap_ok(history_get(&history, &two) != entry, "another network is apart");
  close_history(&history);
  history_open(&history, path, 4, instants);
  entry = history_find(&history, &one);
  tap_is_number(entry ? history_instant(&history, entry, 1) : -1, instants + 1,
                "opened again: the same");
  entry->next = UINT32_MAX;
  history_add(&history, entry, 7);
  tap_is_number(history_instant(&history, entry, 1), 7, "a damaged index");
  close_history(&history);
}

static void
test_full(void)
{
  struct history history;
  history_open(&history, path, 1, 2);
  for (unsigned int i = 0; i < HISTORY_WAYS; i++) {
    struct network some = network(i);
    history_add(&history, history_get(&history, &some), 100 - (int64_t)i);
  }
  struct network last = network(HISTORY_WAYS - 1), more = network(99);
  struct network before = network(HISTORY_WAYS - 2);
  history_find(&history, &last)->kept = 1;
  struct history_entry *entry = history_get(&history, &more);
  tap_ok(entry && history_instant(&history, entry, 1) == 0, "a new one is new");
  tap_ok(history_find(&history, &last) && !history_find(&history, &before),
         "it displaced the oldest that is not kept");
  unsigned int used = 0;
  for (size_t i = 0; i < HISTORY_WAYS; i++)
    if (history_at(&history, i)) {
      history_at(&history, i)->kept = 1;
      used++;
    }
  tap_is_number(used, HISTORY_WAYS, "all are used");
  tap_ok(!history_get(&history, &before), "all are kept: no place");
  history_at(&history, 3)->used = 0;
  tap_ok(history_get(&history, &before) != NULL, "a free place is taken");
  close_history(&history);
}

static void
test_trouble(void)
{
  struct history history;
  struct stat file;
  tap_is_number(truncate(path, 12345), 0, "a file of another size");
  tap_is_number(history_open(&history, path, 4, 1), 0, "is made anew");
  stat(path, &file);
  tap_is_number(file.st_size, (long long)history.bytes, "in our size");
  tap_ok(file.st_blocks * 512 >= file.st_size, "with its blocks");
  bool empty = true;
  for (size_t i = 0; i < (size_t)4 * HISTORY_WAYS; i++)
    empty = empty && !history_at(&history, i);
  tap_ok(empty, "empty");
  close_history(&history);
  errno = 0;
  tap_is_number(history_open(&history, "/no/such/file", 4, 1), -1, "no file");
  tap_is_number(errno, ENOENT, "ENOENT");
}

/* Four processes, a thousand instants each: none is lost. */
static void
test_lock(void)
{
  struct history history;
  struct network one = network(1);
  history_open(&history, path, 1, 1);
  history_add(&history, history_get(&history, &one), 0);
  close_history(&history);
  for (int i = 0; i < 4; i++)
    if (fork() == 0) {
      history_open(&history, path, 1, 1);
      for (int j = 0; j < 1000; j++) {
        history_lock(&history);
        struct history_entry *entry = history_find(&history, &one);
        history_add(&history, entry, history_instant(&history, entry, 1) + 1);
        history_unlock(&history);
      }
      _exit(0);
    }
  while (wait(NULL) > 0)
    ;
  history_open(&history, path, 1, 1);
  tap_is_number(history_instant(&history, history_find(&history, &one), 1),
                4000, "the lock keeps others out");
  close_history(&history);
}

int
main(void)
{
  int fd = mkstemp(path);
  close(fd);
  test_instants(1);
  test_instants(3);
  test_instants(HISTORY_INSTANTS_MAX);
  test_full();
  test_trouble();
  test_lock();
  unlink(path);
  return tap_done();
}
