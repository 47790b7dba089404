#include "edge/history.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
lock(int fd, short type)
{
  struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
  int result;
  do
    result = fcntl(fd, F_OFD_SETLKW, &whole);
  while (result < 0 && errno == EINTR);
  return result;
}

static bool
has_size(struct history const *history)
{
  struct stat file;
  return fstat(history->fd, &file) == 0 &&
         file.st_size == (off_t)history->bytes;
}

/* Under the lock, so that one of several does it. The blocks are had at once:
 * a write to a map that finds the disk full is SIGBUS. */
static int
set_size(struct history *history)
{
  if (has_size(history))
    return 0;
  if (history_lock(history) < 0)
    return -1;
  int error = 0;
  if (!has_size(history)) {
    error = ftruncate(history->fd, 0) < 0 ? errno : 0;
    if (!error)
      error = posix_fallocate(history->fd, 0, (off_t)history->bytes);
    if (error && ftruncate(history->fd, 0) < 0)
      errno = 0; /* the next one tries again */
  }
  history_unlock(history);
  errno = error;
  return error ? -1 : 0;
}

int
history_open(struct history *history, char const *path, uint32_t sets,
             uint32_t instants)
{
  history->sets = sets;
  history->instants = instants;
  history->entry_bytes =
      sizeof(struct history_entry) + instants * sizeof(int64_t);
  history->bytes = history->entry_bytes * HISTORY_WAYS * sets;
  history->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (history->fd < 0)
    return -1;
  void *map = MAP_FAILED;
  if (set_size(history) == 0)
    map = mmap(NULL, history->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
               history->fd, 0);
  if (map == MAP_FAILED) {
    int error = errno;
    close(history->fd);
    errno = error;
    return -1;
  }
  history->entries = map;
  return 0;
}

int
history_lock(struct history *history)
{
  return lock(history->fd, F_WRLCK);
}

void
history_unlock(struct history *history)
{
  lock(history->fd, F_UNLCK);
}

static struct history_entry *
entry_at(struct history *history, size_t i)
{
  return (struct history_entry *)(void *)(history->entries +
                                          i * history->entry_bytes);
}

struct history_entry *
history_at(struct history *history, size_t i)
{
  struct history_entry *entry = entry_at(history, i);
  return entry->used ? entry : NULL;
}

static size_t
first_of_set(struct history const *history, struct network const *network)
{
  return network_hash(network) % history->sets * HISTORY_WAYS;
}

struct history_entry *
history_find(struct history *history, struct network const *network)
{
  size_t first = first_of_set(history, network);
  for (size_t i = first; i < first + HISTORY_WAYS; i++) {
    struct history_entry *entry = entry_at(history, i);
    if (entry->used && network_equals(&entry->network, network))
      return entry;
  }
  return NULL;
}

/* Whether one is the better one to displace. */
static bool
is_older(struct history const *history, struct history_entry const *one,
         struct history_entry const *other)
{
  if (!one->used || !other->used)
    return !one->used && other->used;
  return history_instant(history, one, 1) < history_instant(history, other, 1);
}

struct history_entry *
history_get(struct history *history, struct network const *network)
{
  struct history_entry *found = history_find(history, network);
  size_t first = first_of_set(history, network);
  if (found)
    return found;
  for (size_t i = first; i < first + HISTORY_WAYS; i++) {
    struct history_entry *entry = entry_at(history, i);
    if (!(entry->used && entry->kept) &&
        (!found || is_older(history, entry, found)))
      found = entry;
  }
  if (found) {
    memset(found, 0, history->entry_bytes);
    found->network = *network;
    found->used = 1;
  }
  return found;
}

void
history_add(struct history *history, struct history_entry *entry,
            int64_t instant)
{
  uint32_t at = entry->next % history->instants;
  entry->instant[at] = instant;
  entry->next = (at + 1) % history->instants;
}

int64_t
history_instant(struct history const *history,
                struct history_entry const *entry, uint32_t n)
{
  uint32_t at = entry->next % history->instants + history->instants - n;
  return entry->instant[at % history->instants];
}
