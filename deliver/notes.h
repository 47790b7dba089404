/*
 * The notes of a session and of the transaction in it, kept within bounds.
 * Pure: a fixed arena, no allocation.
 *
 * A later note with the same key takes the place of an earlier one of the same
 * kind; one of the transaction hides one of the session as long as the
 * transaction lasts.
 */
#ifndef TRAPLINE_DELIVER_NOTES_H
#define TRAPLINE_DELIVER_NOTES_H

#include <stddef.h>

#include "lib/command.h"

#define NOTES_MAX 64
#define NOTES_BYTES 16384 /* keys and values, and two more for each note */

struct notes_entry {
  size_t offset; /* of the key, NUL-terminated, and the value after it */
  size_t key_bytes;
  size_t value_bytes;
};

struct notes {
  size_t session; /* so many of the entries are the session's; they are first */
  size_t count;
  size_t used;
  struct notes_entry entry[NOTES_MAX];
  char text[NOTES_BYTES];
};

enum notes_kind { NOTES_SESSION, NOTES_TRANSACTION };

/* Forget everything. */
void notes_reset(struct notes *notes);

/* Forget the notes of the transaction. */
void notes_end_transaction(struct notes *notes);

/* Keep a note; one of the session only while there is none of a transaction.
 * 1, or 0 if there is no room: an earlier note with this key is then gone. */
int notes_add(struct notes *notes, enum notes_kind kind,
              struct note const *note);

/* The value that holds for a key, NUL-terminated; NULL if there is none. */
char const *notes_value(struct notes const *notes, char const *key);

/* The nth note, from 0, of those that are not hidden. *key and *value are
 * NUL-terminated. 1, or 0 if there are not so many. */
int notes_get(struct notes const *notes, size_t nth, char const **key,
              char const **value, size_t *value_bytes);

#endif
