#include "deliver/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

static char const *const states[] = {"active", "queued", "damaged", "deferred",
                                     "failed"};

int
listing_state(char const *name)
{
  for (int i = 0; i < (int)(sizeof states / sizeof *states); i++)
    if (!strcmp(states[i], name))
      return i;
  return -1;
}

/* A small file, of at most size bytes. Its length; -1 with errno. */
static ssize_t
read_file(int root, char const *directory, char const *name, char *bytes,
          size_t size)
{
  char path[JOBLIST_NAME_MAX + 16];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    return -1;
  errno = 0;
  size_t n = allread(fd, bytes, size);
  int reason = errno;
  close(fd);
  if (!reason || reason == EPIPE)
    return (ssize_t)n;
  errno = reason;
  return -1;
}

static void
read_lock(struct listing *job, int root)
{
  char text[JOBLOCK_TEXT_MAX + 1];
  char own[JOBLOCK_HOST_MAX + 1] = "";
  ssize_t n = read_file(root, "active", job->name, text, sizeof text - 1);
  if (n < 0 || !joblock_parse(text, (size_t)n, &job->lock_pid))
    return;
  job->state = LISTING_ACTIVE;
  size_t length = strnlen(text, sizeof job->lock_host - 1);
  memcpy(job->lock_host, text, length);
  job->lock_host[length] = 0;
  gethostname(own, sizeof own - 1);
  job->dead = !strcmp(own, job->lock_host) && kill(job->lock_pid, 0) < 0 &&
              errno == ESRCH;
}

int
listing_read(struct listing *job, int root, char const *directory,
             char const *name)
{
  job->directory = directory;
  job->damage = NULL;
  job->dead = false;
  job->record.seconds = 0;
  snprintf(job->name, sizeof job->name, "%s", name);
  job->state = !strcmp(directory, "deferred") ? LISTING_DEFERRED
               : !strcmp(directory, "failed") ? LISTING_FAILED
                                              : LISTING_QUEUED;
  ssize_t n = read_file(root, directory, name, job->text, sizeof job->text);
  if (n < 0 && errno == ENOENT)
    return 0;
  if (n < 0)
    job->damage = strerror(errno);
  else if (n > JOBRECORD_TEXT_MAX)
    job->damage = "control file too big";
  else
    job->damage = jobrecord_parse(&job->record, job->text, (size_t)n);
  if (job->state == LISTING_QUEUED)
    read_lock(job, root);
  if (job->damage)
    job->state = LISTING_DAMAGED;
  return 1;
}

/* What another hand wrote may hold anything, and may come to a terminal. */
static void
print_safe(char const *bytes, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)bytes[i];
    if (c < 0x20 || c > 0x7e)
      printf("\\x%02x", c);
    else
      putchar(c);
  }
}

static void
print_line(struct jobrecord const *record, char const *key)
{
  struct metadata const *line = jobrecord_find(record, key);
  if (line)
    print_safe(line->value, line->value_bytes);
}

void
listing_text(struct listing const *job, uint64_t number)
{
  char date[64] = "";
  time_t seconds = (time_t)job->record.seconds;
  struct tm *local = localtime(&seconds);
  if (job->state == LISTING_ACTIVE) {
    printf("- ACTIVE %llu: ", (unsigned long long)number);
    if (job->dead)
      printf("(dead lockfile)\n  ");
    else {
      printf("(pid: %ld@", (long)job->lock_pid);
      print_safe(job->lock_host, strlen(job->lock_host));
      printf(")\n  ");
    }
  } else
    printf("- %llu: ", (unsigned long long)number);
  print_safe(job->name, strlen(job->name));
  if (job->damage) {
    printf(" (%s)\n", job->damage);
    return;
  }
  printf(" (");
  print_line(&job->record, "QDSB");
  if (local)
    strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", local);
  printf(" bytes)\n  Submitted: %s on ", date);
  print_line(&job->record, "QSHN");
  printf("\n");
}

static void
print_json(char const *bytes, size_t n)
{
  putchar('"');
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)bytes[i];
    if (c < 0x20 || c > 0x7e)
      printf("\\u%04x", c);
    else if (c == '"' || c == '\\')
      printf("\\%c", c);
    else
      putchar(c);
  }
  putchar('"');
}

static void
print_member(char const *key, char const *value, size_t n)
{
  printf(",\"%s\":", key);
  print_json(value, n);
}

static void
print_metadata(struct jobrecord const *record)
{
  char const *comma = "";
  printf(",\"meta\":{");
  for (size_t i = 0; i < record->lines; i++) {
    struct metadata const *line = record->line + i;
    if (jobrecord_is_own(line->key) ||
        jobrecord_find(record, line->key) != line)
      continue;
    printf("%s", comma);
    print_json(line->key, strlen(line->key));
    putchar(':');
    print_json(line->value, line->value_bytes);
    comma = ",";
  }
  putchar('}');
}

void
listing_json(struct listing const *job)
{
  struct jobrecord const *record = &job->record;
  struct metadata const *host;
  printf("{\"job\":");
  print_json(job->name, strlen(job->name));
  print_member("state", states[job->state], strlen(states[job->state]));
  if (job->state == LISTING_ACTIVE) {
    printf(",\"pid\":%ld,\"dead\":%s", (long)job->lock_pid,
           job->dead ? "true" : "false");
    print_member("lock_host", job->lock_host, strlen(job->lock_host));
  }
  if (job->damage) {
    print_member("damage", job->damage, strlen(job->damage));
    printf("}\n");
    return;
  }
  if (record->has_bytes)
    printf(",\"bytes\":%llu", (unsigned long long)record->data_bytes);
  printf(",\"submitted\":%lld", (long long)record->seconds);
  host = jobrecord_find(record, "QSHN");
  if (host)
    print_member("host", host->value, host->value_bytes);
  print_member("data", record->data_path, strlen(record->data_path));
  print_metadata(record);
  printf("}\n");
}
