#include "lib/joblist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/ascii.h"

#define BYTES_MAX (UINT32_MAX / 4)
#define ARRIVED_BYTES_MAX 16777216

void
joblist_start(struct joblist *list, bool ordered)
{
  memset(list, 0, sizeof *list);
  list->ordered = ordered;
  list->most = JOBLIST_BATCH;
}

static char const *
name_at(struct joblist_names const *names, size_t i)
{
  return names->bytes + names->offset[i];
}

/* Put a name at the end. 1, or 0 if there is no memory. */
static int
append(struct joblist_names *names, char const *name, size_t n)
{
  if (names->count == names->room) {
    size_t room = names->room ? names->room * 2 : 256;
    uint32_t *offset = realloc(names->offset, room * sizeof *offset);
    if (!offset)
      return 0;
    names->offset = offset;
    names->room = room;
  }
  if (!names->bytes || n + 1 > names->size - names->used) {
    size_t size = names->size ? names->size * 2 : 16384;
    char *bytes = size <= BYTES_MAX ? realloc(names->bytes, size) : NULL;
    if (!bytes)
      return 0;
    names->bytes = bytes;
    names->size = size;
  }
  memcpy(names->bytes + names->used, name, n + 1);
  names->offset[names->count++] = (uint32_t)names->used;
  names->used += n + 1;
  return 1;
}

/* By job, wherever its control file is. */
static int
compare(char const *one, char const *other)
{
  int order = strcmp(jobfan_base(one), jobfan_base(other));
  return order ? order : strcmp(one, other);
}

static int
compare_offsets(void const *one, void const *other, void *bytes)
{
  uint32_t const *a = one;
  uint32_t const *b = other;
  return compare((char const *)bytes + *a, (char const *)bytes + *b);
}

static void
sort(struct joblist_names *names)
{
  if (names->count)
    qsort_r(names->offset, names->count, sizeof *names->offset, compare_offsets,
            names->bytes);
}

/* Sort and keep the first most names alone. 1 or 0 as append. */
static int
cut(struct joblist_names *names, size_t most)
{
  struct joblist_names kept = {0};
  sort(names);
  for (size_t i = 0; i < most; i++) {
    char const *name = name_at(names, i);
    if (!append(&kept, name, strlen(name))) {
      free(kept.offset);
      free(kept.bytes);
      return 0;
    }
  }
  free(names->offset);
  free(names->bytes);
  *names = kept;
  return 1;
}

static void
note_fan(struct joblist *list, struct dirent const *entry)
{
  size_t n = strlen(list->fan);
  if (!list->fans || list->place || n == JOBFAN_MAX ||
      !jobfan_is_directory(entry->d_name) ||
      (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
    return;
  list->fan[n] = entry->d_name[0];
  list->fan[n + 1] = 0;
}

/* The name of an entry that can be a job's into list->name. Its length, or 0.
 */
static size_t
candidate(struct joblist *list, struct dirent const *entry)
{
  note_fan(list, entry);
  if (!ascii_is_digit(entry->d_name[0]) ||
      (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
    return 0;
  size_t n = strlen(entry->d_name);
  size_t start = list->place ? 2 : 0;
  if (start + n > JOBLIST_NAME_MAX) {
    list->too_long++;
    return 0;
  }
  list->name[0] = list->place;
  list->name[1] = '/';
  memcpy(list->name + start, entry->d_name, n + 1);
  return start + n;
}

/* Twice the batch is gathered before it is cut, so that a cut, which sorts, is
 * rare. 1 or 0 as append. */
static int
gather_least(struct joblist *list, size_t n)
{
  struct joblist_names *batch = &list->batch;
  if (list->after[0] && compare(list->name, list->after) <= 0)
    return 1;
  if (list->more && compare(list->name, name_at(batch, list->most - 1)) > 0)
    return 1;
  if (!append(batch, list->name, n))
    return 0;
  if (batch->count < 2 * list->most)
    return 1;
  list->more = true;
  return cut(batch, list->most);
}

static void
close_stream(struct joblist *list)
{
  if (list->stream)
    closedir(list->stream);
  list->stream = NULL;
}

/* 0, or -1 with errno. */
static int
open_stream(struct joblist *list, int directory, char const *name)
{
  int fd =
      openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd == -1)
    return -1;
  list->stream = fdopendir(fd);
  if (!list->stream)
    close(fd);
  return list->stream ? 0 : -1;
}

/* Go on to the next directory of fan-out. 1; 0 after the last; -1 with errno.
 */
static int
next_stream(struct joblist *list, int directory)
{
  close_stream(list);
  while (list->fan[list->fan_next]) {
    char const name[] = {list->fan[list->fan_next++], 0};
    list->place = name[0];
    if (open_stream(list, directory, name) == 0)
      return 1;
    if (errno == EACCES)
      list->barred = name[0];
    else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
      return -1;
  }
  return 0;
}

/* The next entry of all directories, or NULL: errno is 0 after the last. */
static struct dirent const *
next_entry(struct joblist *list, int directory)
{
  struct dirent const *entry;
  while (errno = 0, !(entry = readdir(list->stream)) && !errno) {
    int result = next_stream(list, directory);
    if (result == 0)
      errno = 0;
    if (result != 1)
      return NULL;
  }
  return entry;
}

/* 0, or -1 with errno. */
static int
read_ordered(struct joblist *list, int directory)
{
  struct dirent const *entry;
  struct joblist_names *batch = &list->batch;
  size_t n;
  while ((entry = next_entry(list, directory)))
    if ((n = candidate(list, entry)) && !gather_least(list, n)) {
      errno = ENOMEM;
      return -1;
    }
  if (errno)
    return -1;
  sort(batch);
  if (batch->count > list->most) {
    list->more = true;
    batch->count = list->most;
  }
  list->after[0] = 0;
  if (list->more)
    strcpy(list->after, name_at(batch, batch->count - 1));
  return 0;
}

static int
read_unordered(struct joblist *list, int directory)
{
  struct dirent const *entry;
  size_t n;
  while (list->batch.count < list->most) {
    entry = next_entry(list, directory);
    if (!entry)
      return errno ? -1 : 0;
    if ((n = candidate(list, entry)) && !append(&list->batch, list->name, n)) {
      errno = ENOMEM;
      return -1;
    }
  }
  list->more = true;
  return 0;
}

/* From the first entry. 0, or -1 with errno. */
static int
begin(struct joblist *list, int directory)
{
  list->place = list->fan[0] = list->barred = 0;
  list->fan_next = 0;
  return open_stream(list, directory, ".");
}

static void
drop_all(struct joblist_names *names)
{
  names->count = 0;
  names->used = 0;
}

int
joblist_load(struct joblist *list, int directory)
{
  list->next = 0;
  list->more = false;
  list->too_long = 0;
  drop_all(&list->batch);
  if (!list->ordered || list->overflowed || !list->after[0])
    drop_all(&list->arrived);
  if (list->overflowed)
    list->after[0] = 0;
  list->overflowed = false;
  if (!list->stream && begin(list, directory) == -1)
    return -1;
  int result = list->ordered ? read_ordered(list, directory)
                             : read_unordered(list, directory);
  if (result == -1)
    drop_all(&list->batch);
  if (result == -1 || list->ordered || !list->more)
    close_stream(list);
  return result;
}

void
joblist_rewind(struct joblist *list)
{
  close_stream(list);
  list->more = false;
  list->after[0] = 0;
}

static void
swap(struct joblist_names *names, size_t i, size_t j)
{
  uint32_t offset = names->offset[i];
  names->offset[i] = names->offset[j];
  names->offset[j] = offset;
}

static bool
is_before(struct joblist_names const *names, size_t i, size_t j)
{
  return compare(name_at(names, i), name_at(names, j)) < 0;
}

void
joblist_add(struct joblist *list, char const *name)
{
  struct joblist_names *heap = &list->arrived;
  size_t n = strlen(name);
  if (!ascii_is_digit(jobfan_base(name)[0]) || n > JOBLIST_NAME_MAX ||
      (list->after[0] && compare(name, list->after) > 0))
    return; /* no job; or the next batch will have it */
  if (heap->used > ARRIVED_BYTES_MAX || !append(heap, name, n)) {
    list->overflowed = true;
    return;
  }
  for (size_t i = heap->count - 1; i && is_before(heap, i, (i - 1) / 2);
       i = (i - 1) / 2)
    swap(heap, i, (i - 1) / 2);
}

/* Take the least name off the heap. The bytes of the names are freed together,
 * when the last one goes. */
static void
pop(struct joblist_names *heap)
{
  heap->offset[0] = heap->offset[--heap->count];
  if (!heap->count)
    heap->used = 0;
  for (size_t i = 0, child; (child = 2 * i + 1) < heap->count; i = child) {
    child += child + 1 < heap->count && is_before(heap, child + 1, child);
    if (!is_before(heap, child, i))
      break;
    swap(heap, i, child);
  }
}

char const *
joblist_next(struct joblist *list)
{
  struct joblist_names *batch = &list->batch;
  struct joblist_names *heap = &list->arrived;
  char const *waiting =
      list->next < batch->count ? name_at(batch, list->next) : NULL;
  bool arrived = heap->count && (!waiting || !list->ordered ||
                                 compare(name_at(heap, 0), waiting) <= 0);
  if (!arrived && !waiting)
    return NULL;
  strcpy(list->name, arrived ? name_at(heap, 0) : waiting);
  if (arrived)
    pop(heap);
  else
    list->next++;
  return list->name;
}

void
joblist_end(struct joblist *list)
{
  close_stream(list);
  free(list->batch.offset);
  free(list->batch.bytes);
  free(list->arrived.offset);
  free(list->arrived.bytes);
  joblist_start(list, list->ordered);
}
