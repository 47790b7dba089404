/*
 * A constant database in the cdb format (https://cr.yp.to/cdb/cdb.txt), made
 * in memory, read from memory or from a file.
 *
 * skalibs has one too. This one stands in its place because rules need what it
 * does not promise: a million keys under an 8 MB stack (cdbmake_finish keeps 8
 * bytes a key there), and a damaged file, or one that is cut short while it is
 * in use, read without a crash (it maps the file and trusts its lengths).
 */
#ifndef TRAPLINE_LIB_RULECDB_H
#define TRAPLINE_LIB_RULECDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULECDB_FIRST 2048 /* offset of the first record */

struct rulecdb_entry {
  uint32_t hash;
  uint32_t position;
};

/* A database in the making. The first used bytes are its image. */
struct rulecdb_maker {
  char *bytes;
  size_t used;
  size_t room;
  struct rulecdb_entry *entry;
  size_t entries;
  size_t entry_room;
};

/* All but free: 1, or 0 with errno: ENOMEM, or EFBIG for an image of 4 GiB. */
int rulecdb_start(struct rulecdb_maker *maker);
int rulecdb_add(struct rulecdb_maker *maker, void const *key, size_t key_bytes,
                void const *data, size_t data_bytes);

/* Write the tables. Of several records with one key the first is kept. The
 * image is then whole. */
int rulecdb_finish(struct rulecdb_maker *maker);
void rulecdb_free(struct rulecdb_maker *maker);

/* A database to read: in memory if bytes is set, else in the file fd. */
struct rulecdb {
  char const *bytes;
  int fd;
  uint64_t size;
  unsigned char table[RULECDB_FIRST];
};

/* Read what every search needs. 1, or 0 with EPROTO if it is no database, or
 * another errno if it cannot be read. bytes stay the caller's. */
int rulecdb_open(struct rulecdb *database, char const *bytes, int fd,
                 uint64_t size);

/* Do all tables lie within the database? They are its end: where it was cut
 * short, or is full of zeros, they do not. */
bool rulecdb_is_whole(struct rulecdb const *database);

/* Copy n bytes at position. 1, or 0 with EPROTO if they are not there, or
 * another errno if they cannot be read. */
int rulecdb_read(struct rulecdb const *database, uint64_t position, void *out,
                 size_t n);

/* The lengths of the record at position, and where its data begin. As
 * rulecdb_read; the record lies within the file. */
int rulecdb_record(struct rulecdb const *database, uint64_t position,
                   uint32_t *key_bytes, uint32_t *data_bytes, uint64_t *data);

/* Find a key. 1: *data is where its data_bytes of data begin; 0: not there;
 * -1: damaged (EPROTO) or unreadable (another errno). */
int rulecdb_find(struct rulecdb const *database, char const *key,
                 size_t key_bytes, uint64_t *data, uint32_t *data_bytes);

#endif
