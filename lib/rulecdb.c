#include "lib/rulecdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLES 256
#define SLOT_BYTES 8 /* hash, position; a position of 0 is an empty slot */
#define SLOTS_AT_ONCE 32
#define KEY_PIECE 256

static uint32_t
number_at(void const *bytes)
{
  unsigned char const *p = bytes;
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
         (uint32_t)p[3] << 24;
}

static void
put_number(char *bytes, uint32_t number)
{
  for (int i = 0; i < 4; i++)
    bytes[i] = (char)(number >> 8 * i);
}

static uint32_t
hash_of(char const *key, size_t n)
{
  uint32_t hash = 5381;
  for (size_t i = 0; i < n; i++)
    hash = ((hash << 5) + hash) ^ (unsigned char)key[i];
  return hash;
}

/* Room for n more bytes behind what is used. */
static int
ensure(struct rulecdb_maker *maker, size_t n)
{
  size_t needed;
  if (__builtin_add_overflow(maker->used, n, &needed) || needed > UINT32_MAX) {
    errno = EFBIG;
    return 0;
  }
  if (needed <= maker->room)
    return 1;
  size_t room = maker->room * 2 > needed ? maker->room * 2 : needed;
  char *bytes = realloc(maker->bytes, room);
  if (!bytes)
    return 0;
  maker->bytes = bytes;
  maker->room = room;
  return 1;
}

int
rulecdb_start(struct rulecdb_maker *maker)
{
  *maker = (struct rulecdb_maker){0};
  if (!ensure(maker, RULECDB_FIRST))
    return 0;
  memset(maker->bytes, 0, RULECDB_FIRST);
  maker->used = RULECDB_FIRST;
  return 1;
}

static int
add_entry(struct rulecdb_maker *maker, uint32_t hash)
{
  if (maker->entries == maker->entry_room) {
    size_t room = maker->entry_room * 2 + 64;
    struct rulecdb_entry *entry =
        reallocarray(maker->entry, room, sizeof *entry);
    if (!entry)
      return 0;
    maker->entry = entry;
    maker->entry_room = room;
  }
  maker->entry[maker->entries++] =
      (struct rulecdb_entry){hash, (uint32_t)maker->used};
  return 1;
}

int
rulecdb_add(struct rulecdb_maker *maker, void const *key, size_t key_bytes,
            void const *data, size_t data_bytes)
{
  size_t bytes;
  if (__builtin_add_overflow(key_bytes, data_bytes, &bytes) ||
      bytes > UINT32_MAX) {
    errno = EFBIG;
    return 0;
  }
  if (!ensure(maker, 8 + bytes) || !add_entry(maker, hash_of(key, key_bytes)))
    return 0;
  char *record = maker->bytes + maker->used;
  put_number(record, (uint32_t)key_bytes);
  put_number(record + 4, (uint32_t)data_bytes);
  memcpy(record + 8, key, key_bytes);
  memcpy(record + 8 + key_bytes, data, data_bytes);
  maker->used += 8 + bytes;
  return 1;
}

static int
same_key(char const *bytes, uint32_t left, uint32_t right)
{
  uint32_t n = number_at(bytes + left);
  return n == number_at(bytes + right) &&
         !memcmp(bytes + left + 8, bytes + right + 8, n);
}

/* An entry whose key is there already is left out: the first one counts, and
 * many equal keys must not make long searches. */
static void
fill_slot(struct rulecdb_maker *maker, char *table, uint32_t slots,
          struct rulecdb_entry entry)
{
  for (uint32_t i = (entry.hash >> 8) % slots;;
       i = i + 1 == slots ? 0 : i + 1) {
    char *slot = table + (size_t)i * SLOT_BYTES;
    uint32_t position = number_at(slot + 4);
    if (!position) {
      put_number(slot, entry.hash);
      put_number(slot + 4, entry.position);
      return;
    }
    if (number_at(slot) == entry.hash &&
        same_key(maker->bytes, position, entry.position))
      return;
  }
}

int
rulecdb_finish(struct rulecdb_maker *maker)
{
  uint32_t slots[TABLES] = {0};
  uint32_t position[TABLES];
  for (size_t i = 0; i < maker->entries; i++)
    slots[maker->entry[i].hash % TABLES] += 2;
  if (!ensure(maker, maker->entries * 2 * SLOT_BYTES))
    return 0;
  memset(maker->bytes + maker->used, 0, maker->entries * 2 * SLOT_BYTES);
  for (size_t i = 0; i < TABLES; i++) {
    position[i] = (uint32_t)maker->used;
    put_number(maker->bytes + i * SLOT_BYTES, position[i]);
    put_number(maker->bytes + i * SLOT_BYTES + 4, slots[i]);
    maker->used += (size_t)slots[i] * SLOT_BYTES;
  }
  for (size_t i = 0; i < maker->entries; i++) {
    struct rulecdb_entry entry = maker->entry[i];
    size_t table = entry.hash % TABLES;
    fill_slot(maker, maker->bytes + position[table], slots[table], entry);
  }
  return 1;
}

void
rulecdb_free(struct rulecdb_maker *maker)
{
  free(maker->bytes);
  free(maker->entry);
  *maker = (struct rulecdb_maker){0};
}

static int
damaged(void)
{
  errno = EPROTO;
  return 0;
}

int
rulecdb_read(struct rulecdb const *database, uint64_t position, void *out,
             size_t n)
{
  if (position > database->size || n > database->size - position)
    return damaged();
  if (database->bytes) {
    memcpy(out, database->bytes + position, n);
    return 1;
  }
  for (size_t done = 0; done < n;) {
    ssize_t r = pread(database->fd, (char *)out + done, n - done,
                      (off_t)(position + done));
    if (r < 0 && errno == EINTR)
      continue;
    if (r < 0)
      return 0;
    if (!r) /* the file is shorter than it was */
      return damaged();
    done += (size_t)r;
  }
  return 1;
}

int
rulecdb_open(struct rulecdb *database, char const *bytes, int fd, uint64_t size)
{
  database->bytes = bytes;
  database->fd = fd;
  database->size = size;
  return rulecdb_read(database, 0, database->table, sizeof database->table);
}

bool
rulecdb_is_whole(struct rulecdb const *database)
{
  for (size_t i = 0; i < TABLES; i++) {
    unsigned char const *table = database->table + i * SLOT_BYTES;
    uint64_t position = number_at(table);
    uint64_t slots = number_at(table + 4);
    if (position < RULECDB_FIRST ||
        position + slots * SLOT_BYTES > database->size)
      return false;
  }
  return true;
}

int
rulecdb_record(struct rulecdb const *database, uint64_t position,
               uint32_t *key_bytes, uint32_t *data_bytes, uint64_t *data)
{
  char lengths[8];
  if (position < RULECDB_FIRST)
    return damaged();
  if (!rulecdb_read(database, position, lengths, sizeof lengths))
    return 0;
  *key_bytes = number_at(lengths);
  *data_bytes = number_at(lengths + 4);
  *data = position + 8 + *key_bytes;
  if (*data + *data_bytes > database->size)
    return damaged();
  return 1;
}

/* Is this the record of the key? 1, 0, or -1 as rulecdb_find. */
static int
is_record(struct rulecdb const *database, uint64_t position, char const *key,
          size_t key_bytes, uint64_t *data, uint32_t *data_bytes)
{
  char piece[KEY_PIECE];
  uint32_t length;
  if (!rulecdb_record(database, position, &length, data_bytes, data))
    return -1;
  if (length != key_bytes)
    return 0;
  for (size_t done = 0; done < key_bytes;) {
    size_t n = key_bytes - done < KEY_PIECE ? key_bytes - done : KEY_PIECE;
    if (!rulecdb_read(database, position + 8 + done, piece, n))
      return -1;
    if (memcmp(piece, key + done, n))
      return 0;
    done += n;
  }
  return 1;
}

int
rulecdb_find(struct rulecdb const *database, char const *key, size_t key_bytes,
             uint64_t *data, uint32_t *data_bytes)
{
  char slot[SLOTS_AT_ONCE * SLOT_BYTES];
  uint32_t hash = hash_of(key, key_bytes);
  unsigned char const *table = database->table + hash % TABLES * SLOT_BYTES;
  uint64_t position = number_at(table);
  uint64_t slots = number_at(table + 4);
  uint64_t first = slots ? (hash >> 8) % slots : 0;
  for (uint64_t seen = 0, n; seen < slots; seen += n) {
    uint64_t next = (first + seen) % slots;
    n = slots - (next > seen ? next : seen);
    if (n > SLOTS_AT_ONCE)
      n = SLOTS_AT_ONCE;
    if (!rulecdb_read(database, position + next * SLOT_BYTES, slot,
                      n * SLOT_BYTES))
      return -1;
    for (char const *p = slot; p < slot + n * SLOT_BYTES; p += SLOT_BYTES) {
      uint32_t record = number_at(p + 4);
      if (!record)
        return 0;
      if (number_at(p) != hash)
        continue;
      int r = is_record(database, record, key, key_bytes, data, data_bytes);
      if (r)
        return r;
    }
  }
  return 0;
}
