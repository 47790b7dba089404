#include "deliver/notes.h"

#include <string.h>

void
notes_reset(struct notes *notes)
{
  notes->session = 0;
  notes->count = 0;
  notes->used = 0;
}

void
notes_end_transaction(struct notes *notes)
{
  if (notes->count > notes->session)
    notes->used = notes->entry[notes->session].offset;
  notes->count = notes->session;
}

static size_t
entry_bytes(struct notes_entry const *entry)
{
  return entry->key_bytes + 1 + entry->value_bytes + 1;
}

/* The entry with this key from first on; count if there is none. */
static size_t
find(struct notes const *notes, size_t first, char const *key)
{
  for (size_t i = first; i < notes->count; i++)
    if (!strcmp(notes->text + notes->entry[i].offset, key))
      return i;
  return notes->count;
}

static void
drop(struct notes *notes, size_t at)
{
  struct notes_entry *entry = &notes->entry[at];
  size_t bytes = entry_bytes(entry);
  size_t next = entry->offset + bytes;
  memmove(notes->text + entry->offset, notes->text + next, notes->used - next);
  memmove(entry, entry + 1, (notes->count - at - 1) * sizeof *entry);
  notes->used -= bytes;
  notes->count--;
  if (at < notes->session)
    notes->session--;
  for (size_t i = at; i < notes->count; i++)
    notes->entry[i].offset -= bytes;
}

int
notes_add(struct notes *notes, enum notes_kind kind, struct note const *note)
{
  size_t first = kind == NOTES_SESSION ? 0 : notes->session;
  size_t at = find(notes, first, note->key);
  struct notes_entry entry = {.key_bytes = strlen(note->key),
                              .value_bytes = note->value_bytes};
  if (at < notes->count)
    drop(notes, at);
  if (notes->count == NOTES_MAX ||
      entry_bytes(&entry) > sizeof notes->text - notes->used)
    return 0;
  entry.offset = notes->used;
  char *p = notes->text + notes->used;
  memcpy(p, note->key, entry.key_bytes + 1);
  memcpy(p + entry.key_bytes + 1, note->value, entry.value_bytes);
  p[entry.key_bytes + 1 + entry.value_bytes] = 0;
  notes->used += entry_bytes(&entry);
  notes->entry[notes->count++] = entry;
  if (kind == NOTES_SESSION)
    notes->session = notes->count;
  return 1;
}

static int
is_hidden(struct notes const *notes, size_t at)
{
  return at < notes->session &&
         find(notes, notes->session, notes->text + notes->entry[at].offset) <
             notes->count;
}

int
notes_get(struct notes const *notes, size_t nth, char const **key,
          char const **value, size_t *value_bytes)
{
  for (size_t i = 0; i < notes->count; i++) {
    struct notes_entry const *entry = &notes->entry[i];
    if (is_hidden(notes, i) || nth--)
      continue;
    *key = notes->text + entry->offset;
    *value = *key + entry->key_bytes + 1;
    *value_bytes = entry->value_bytes;
    return 1;
  }
  return 0;
}

char const *
notes_value(struct notes const *notes, char const *key)
{
  char const *found, *value;
  size_t bytes;
  for (size_t i = 0; notes_get(notes, i, &found, &value, &bytes); i++)
    if (!strcmp(found, key))
      return value;
  return NULL;
}
