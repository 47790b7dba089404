#include "deliver/expiry.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/fnv.h"

#define ROOM_START 1024
#define SIZE_START 65536
#define GROUPS_START 1024 /* a power of two, as all their sizes */

int
expiry_add(struct expiry *expiry, char const *name, int64_t age_s)
{
  size_t n = strlen(name) + 1;
  if (expiry->count == expiry->room) {
    size_t room = expiry->room ? expiry->room + expiry->room / 2 : ROOM_START;
    struct expiry_job *job = realloc(expiry->job, room * sizeof *job);
    if (!job)
      return 0;
    expiry->job = job;
    expiry->room = room;
  }
  if (n > expiry->size - expiry->used) {
    size_t size = expiry->size ? expiry->size + expiry->size / 2 : SIZE_START;
    char *names = size <= UINT32_MAX ? realloc(expiry->names, size) : NULL;
    if (!names)
      return 0;
    expiry->names = names;
    expiry->size = size;
  }
  memcpy(expiry->names + expiry->used, name, n);
  expiry->job[expiry->count++] =
      (struct expiry_job){.name = (uint32_t)expiry->used,
                          .age_s = age_s < 0            ? 0
                                   : age_s > UINT32_MAX ? UINT32_MAX
                                                        : (uint32_t)age_s};
  expiry->used += n;
  return 1;
}

char const *
expiry_name(struct expiry const *expiry, struct expiry_job const *job)
{
  return expiry->names + job->name;
}

static int
compare(void const *one, void const *other, void *names)
{
  struct expiry_job const *a = one;
  struct expiry_job const *b = other;
  if (a->age_s != b->age_s)
    return a->age_s > b->age_s ? -1 : 1;
  return strcmp((char const *)names + a->name, (char const *)names + b->name);
}

void
expiry_sort(struct expiry *expiry)
{
  if (expiry->count)
    qsort_r(expiry->job, expiry->count, sizeof *expiry->job, compare,
            expiry->names);
}

uint64_t
expiry_network(char const *ip)
{
  unsigned char bytes[16];
  static unsigned char const mapped[12] = {[10] = 0xff, [11] = 0xff};
  unsigned char const *v4 = bytes;
  uint64_t network = 0;
  if (inet_pton(AF_INET6, ip, bytes) == 1) {
    if (memcmp(bytes, mapped, sizeof mapped)) {
      for (int i = 0; i < 8; i++)
        network = network << 8 | bytes[i];
      return network;
    }
    v4 = bytes + sizeof mapped;
  } else if (inet_pton(AF_INET, ip, bytes) != 1)
    return 0;
  /* No network of IPv6 begins so. */
  return UINT64_C(0xff) << 24 | (uint64_t)v4[0] << 16 | (uint64_t)v4[1] << 8 |
         v4[2];
}

uint64_t
expiry_sender(struct expiry const *expiry, char const *address, size_t n)
{
  uint64_t hash = expiry->seed ^ FNV_BASIS;
  for (size_t i = 0; i < n; i++) {
    hash = fnv_add(hash, (unsigned char)ascii_lower(address[i]));
    hash ^= hash >> 29;
  }
  return hash;
}

/* What the jobs of one network or one sender have, from the newest on. */
struct group {
  uint64_t key, total;
  bool taken;
};

struct groups {
  struct group *group;
  size_t count, size;
};

static struct group *
find(struct groups const *groups, uint64_t key)
{
  size_t i = (size_t)(key * 0x9e3779b97f4a7c15 >> 32) & (groups->size - 1);
  while (groups->group[i].taken && groups->group[i].key != key)
    i = (i + 1) & (groups->size - 1);
  return groups->group + i;
}

/* Twice the room. 1 or 0. */
static int
grow(struct groups *groups)
{
  struct groups larger = {.count = groups->count,
                          .size =
                              groups->size ? groups->size * 2 : GROUPS_START};
  larger.group = calloc(larger.size, sizeof *larger.group);
  if (!larger.group)
    return 0;
  for (size_t i = 0; i < groups->size; i++)
    if (groups->group[i].taken)
      *find(&larger, groups->group[i].key) = groups->group[i];
  free(groups->group);
  *groups = larger;
  return 1;
}

/* The total of a group, more included; NULL if there is no memory. */
static uint64_t const *
add(struct groups *groups, uint64_t key, uint64_t more)
{
  if (groups->count >= groups->size / 2 && !grow(groups))
    return NULL;
  struct group *group = find(groups, key);
  groups->count += !group->taken;
  group->taken = true;
  group->key = key;
  group->total += more;
  return &group->total;
}

enum grouping { BY_NETWORK, BY_SENDER };

/* The jobs are sorted by age. */
static int
weigh(struct expiry *expiry, enum grouping grouping, enum expiry_unit unit)
{
  struct groups groups = {0};
  uint64_t const *total = &expiry->seed;
  for (size_t i = expiry->count; i-- && total;) {
    struct expiry_job *job = expiry->job + i;
    if (job->gone)
      continue;
    total = add(&groups, grouping == BY_NETWORK ? job->network : job->sender,
                unit == EXPIRY_JOBS ? 1 : job->bytes);
    if (total && *total > job->weight)
      job->weight = *total;
  }
  free(groups.group);
  return total != NULL;
}

static int
compare_weights(void const *one, void const *other, void *names)
{
  struct expiry_job const *a = one;
  struct expiry_job const *b = other;
  if (a->weight != b->weight)
    return a->weight > b->weight ? -1 : 1;
  return compare(one, other, names);
}

int
expiry_rank(struct expiry *expiry, enum expiry_unit unit)
{
  expiry_sort(expiry);
  for (size_t i = 0; i < expiry->count; i++)
    expiry->job[i].weight = 0;
  if (!weigh(expiry, BY_NETWORK, unit) || !weigh(expiry, BY_SENDER, unit))
    return 0;
  if (expiry->count)
    qsort_r(expiry->job, expiry->count, sizeof *expiry->job, compare_weights,
            expiry->names);
  return 1;
}

void
expiry_clear(struct expiry *expiry)
{
  expiry->count = 0;
  expiry->used = 0;
}
