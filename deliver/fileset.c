#include "deliver/fileset.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_START 65536
#define ROOM_START 1024

int
fileset_add(struct fileset *set, char const *name)
{
  size_t n = strlen(name) + 2;
  if (set->count == set->room) {
    size_t room = set->room ? set->room + set->room / 2 : ROOM_START;
    uint32_t *offset = realloc(set->offset, room * sizeof *offset);
    if (!offset)
      return 0;
    set->offset = offset;
    set->room = room;
  }
  if (n > set->size - set->used) {
    size_t size = set->size ? set->size + set->size / 2 : SIZE_START;
    char *bytes = size <= UINT32_MAX ? realloc(set->bytes, size) : NULL;
    if (!bytes)
      return 0;
    set->bytes = bytes;
    set->size = size;
  }
  set->offset[set->count++] = (uint32_t)set->used;
  set->bytes[set->used] = 0;
  memcpy(set->bytes + set->used + 1, name, n - 1);
  set->used += n;
  return 1;
}

static int
compare(void const *one, void const *other, void *bytes)
{
  uint32_t const *a = one;
  uint32_t const *b = other;
  return strcmp((char const *)bytes + *a + 1, (char const *)bytes + *b + 1);
}

void
fileset_sort(struct fileset *set)
{
  if (set->count)
    qsort_r(set->offset, set->count, sizeof *set->offset, compare, set->bytes);
}

void
fileset_mark(struct fileset *set, char const *name)
{
  size_t first = 0, end = set->count;
  while (first < end) {
    size_t middle = first + (end - first) / 2;
    char *found = set->bytes + set->offset[middle];
    int order = strcmp(name, found + 1);
    if (!order) {
      set->marked += !found[0];
      found[0] = 1;
      return;
    }
    if (order < 0)
      end = middle;
    else
      first = middle + 1;
  }
}

char const *
fileset_next_unmarked(struct fileset *set)
{
  while (set->next < set->count) {
    char const *entry = set->bytes + set->offset[set->next++];
    if (!entry[0])
      return entry + 1;
  }
  return NULL;
}

void
fileset_end(struct fileset *set)
{
  free(set->offset);
  free(set->bytes);
  memset(set, 0, sizeof *set);
}
