#include "lib/rulecdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/cdb.h>

#include "tests/unit/tap.h"

#define KEYS 1000

static size_t
make_key(int i, char *key)
{
  int n = sprintf(key, "key-%d", i);
  memset(key + n, 'k', (size_t)i);
  return (size_t)(n + i);
}

static void
make(struct rulecdb_maker *maker)
{
  char key[2 * KEYS];
  tap_ok(rulecdb_start(maker), "start");
  int added = rulecdb_add(maker, "", 0, "empty", 5);
  for (int i = 0; i < KEYS; i++) {
    size_t n = make_key(i, key);
    added &= rulecdb_add(maker, key, n, &i, sizeof i);
    added &= rulecdb_add(maker, key, n, "later", 5);
  }
  tap_ok(added, "add %d keys", KEYS);
  tap_ok(rulecdb_finish(maker), "finish");
}

static void
test_finds(struct rulecdb const *database, char const *name)
{
  char key[2 * KEYS];
  uint64_t data;
  uint32_t n;
  int found = 0;
  int value;
  for (int i = 0; i < KEYS; i++)
    found += rulecdb_find(database, key, make_key(i, key), &data, &n) == 1 &&
             n == sizeof value &&
             rulecdb_read(database, data, &value, sizeof value) && value == i;
  tap_is_number(found, KEYS, name);
  tap_is_number(rulecdb_find(database, "", 0, &data, &n), 1, "the empty key");
  tap_is_number(rulecdb_find(database, "key", 3, &data, &n), 0,
                "a key that is not there");
}

/* Of equal keys one is in the tables: else many make a search long. */
static void
test_slots(struct rulecdb_maker const *maker)
{
  size_t filled = 0;
  size_t slots = 2 * maker->entries;
  for (size_t i = 0; i < slots; i++) {
    uint32_t position;
    memcpy(&position, maker->bytes + maker->used - 8 * i - 4, 4);
    filled += position != 0;
  }
  tap_is_number((long long)slots, 2 * (2 * KEYS + 1), "slots");
  tap_is_number((long long)filled, KEYS + 1, "one is used for each key");
}

/* The file is what others understand by a cdb. */
static void
test_skalibs(char const *path)
{
  cdb database = CDB_ZERO;
  cdb_data data;
  char key[2 * KEYS];
  int found = 0;
  int value;
  tap_ok(cdb_init(&database, path), "skalibs opens it");
  for (int i = 0; i < KEYS; i++)
    if (cdb_find(&database, &data, key, (uint32_t)make_key(i, key)) == 1 &&
        data.len == sizeof value) {
      memcpy(&value, data.s, sizeof value);
      found += value == i;
    }
  tap_is_number(found, KEYS, "skalibs finds the same");
  cdb_free(&database);
}

/* Whatever the bytes are, a search ends, and reads no byte outside (the
 * sanitizer sees it: the copy has exactly the image's size). */
static void
test_damage(void)
{
  struct rulecdb_maker maker;
  struct rulecdb database;
  unsigned long answers[3] = {0};
  int outside = 0;
  uint64_t data;
  uint32_t n;
  rulecdb_start(&maker);
  rulecdb_add(&maker, "a", 1, "1", 1);
  rulecdb_add(&maker, "b", 1, "2", 1);
  rulecdb_finish(&maker);
  for (size_t i = 0; i < maker.used; i++) {
    char *copy = malloc(maker.used);
    if (!copy)
      abort();
    memcpy(copy, maker.bytes, maker.used);
    copy[i] = (char)(copy[i] ^ 0xff);
    rulecdb_open(&database, copy, -1, maker.used);
    for (char const *key = "ab"; *key; key++) {
      int r = rulecdb_find(&database, key, 1, &data, &n);
      answers[1 + r]++;
      outside += r == 1 && data + n > maker.used;
    }
    free(copy);
  }
  tap_ok(answers[0] && answers[1] && answers[2],
         "a byte changed: %lu damaged, %lu not found, %lu found", answers[0],
         answers[1], answers[2]);
  tap_is_number(outside, 0, "what is found is inside");
  rulecdb_open(&database, maker.bytes, -1, maker.used);
  tap_ok(rulecdb_is_whole(&database), "all its tables are there");
  int damaged = 0, whole = 0;
  for (size_t size = 0; size < maker.used; size++) {
    char *copy = malloc(size ? size : 1);
    if (!copy)
      abort();
    memcpy(copy, maker.bytes, size);
    errno = 0;
    damaged += (!rulecdb_open(&database, copy, -1, size) ||
                rulecdb_find(&database, "b", 1, &data, &n) < 0) &&
               errno == EPROTO;
    whole += size >= RULECDB_FIRST && rulecdb_is_whole(&database);
    free(copy);
  }
  tap_is_number(whole, 0, "cut short anywhere: not whole");
  tap_is_number(damaged, (long long)maker.used, "cut short anywhere: damaged");
  memset(maker.bytes, 0, maker.used);
  tap_ok(rulecdb_open(&database, maker.bytes, -1, maker.used) &&
             !rulecdb_is_whole(&database),
         "nor is what is full of zeros");
  rulecdb_free(&maker);
}

int
main(void)
{
  char path[] = "/tmp/rulecdb.XXXXXX";
  struct rulecdb_maker maker;
  struct rulecdb database;
  make(&maker);
  test_slots(&maker);
  tap_ok(rulecdb_open(&database, maker.bytes, -1, maker.used), "in memory");
  test_finds(&database, "all are found, the first of equal ones, in memory");

  int fd = mkstemp(path);
  tap_ok(fd >= 0 && write(fd, maker.bytes, maker.used) == (ssize_t)maker.used,
         "write the file");
  tap_ok(rulecdb_open(&database, NULL, fd, maker.used), "in a file");
  test_finds(&database, "all are found, the first of equal ones, in a file");
  test_skalibs(path);

  uint64_t data;
  uint32_t n;
  char key[2 * KEYS];
  tap_ok(!ftruncate(fd, RULECDB_FIRST), "cut it while it is in use");
  errno = 0;
  tap_is_number(rulecdb_find(&database, key, make_key(1, key), &data, &n), -1,
                "damaged");
  tap_is_number(errno, EPROTO, "with EPROTO");
  close(fd);
  unlink(path);

  errno = 0;
  maker.used = UINT32_MAX - 10;
  tap_ok(!rulecdb_add(&maker, "key", 3, "data", 4) && errno == EFBIG,
         "4 GiB are too much");
  rulecdb_free(&maker);
  test_damage();
  return tap_done();
}
