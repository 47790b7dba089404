#include "deliver/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include "deliver/aside.h"
#include "deliver/retry.h"

#define PATH_BYTES (NAME_MAX + 1 + JOBLIST_NAME_MAX + 1)

static char const *const states[] = {"active", "queued", "damaged", "deferred"};

int
listing_state(char const *name)
{
  for (int i = 0; i < (int)(sizeof states / sizeof *states); i++)
    if (!strcmp(states[i], name))
      return i;
  return aside_is_name(name) ? LISTING_ASIDE : -1;
}

int
listing_open(struct listing_queue *queue, char const *directory)
{
  char path[PATH_MAX];
  if (jobqueue_start(&queue->paths, directory) == -1 ||
      !realpath(directory, path))
    return -1;
  if (strlen(path) > JOBQUEUE_PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(queue->paths.path, path);
  queue->root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return queue->root >= 0 ? 0 : -1;
}

/* A small file, of at most size bytes. Its length; -1 with errno. */
static ssize_t
read_file(int root, char const *directory, char const *name, char *bytes,
          size_t size)
{
  char path[PATH_BYTES];
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
  ssize_t n =
      read_file(root, "active", jobfan_base(job->name), text, sizeof text - 1);
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

/* NULL, or what is damaged; nothing is where it must not be looked at. */
static char const *
look_at_data(struct listing const *job, struct listing_queue *queue)
{
  char located[JOBDATA_PATH_MAX];
  struct stat status;
  struct jobrecord const *record = &job->record;
  char const *damage =
      jobdata_locate(&queue->data, &queue->paths, record->data_path, located);
  if (damage)
    return damage;
  if (fstatat(queue->root, located, &status, AT_SYMLINK_NOFOLLOW) == -1)
    return errno == ENOENT ? "data file is gone" : NULL;
  if (S_ISLNK(status.st_mode))
    return "data file is a symbolic link";
  if (!S_ISREG(status.st_mode))
    return "data file is no regular file";
  return record->has_bytes && (uint64_t)status.st_size < record->data_bytes
             ? "data file cut short"
             : NULL;
}

int
listing_read(struct listing *job, struct listing_queue *queue,
             char const *directory, char const *name)
{
  char path[PATH_BYTES];
  struct stat status;
  int root = queue->root;
  job->directory = directory;
  job->damage = NULL;
  job->dead = false;
  job->record.seconds = 0;
  snprintf(job->name, sizeof job->name, "%s", name);
  job->state = !strcmp(directory, "queue")           ? LISTING_QUEUED
               : !strcmp(directory, RETRY_DIRECTORY) ? LISTING_DEFERRED
                                                     : LISTING_ASIDE;
  ssize_t n = read_file(root, directory, name, job->text, sizeof job->text);
  if (n < 0 && errno == ENOENT)
    return 0;
  if (n < 0)
    job->damage = strerror(errno);
  else if (n > JOBRECORD_TEXT_MAX)
    job->damage = "control file too big";
  else
    job->damage = jobrecord_parse(&job->record, job->text, (size_t)n);
  job->parsed = !job->damage;
  if (job->parsed && (job->damage = look_at_data(job, queue))) {
    /* Of a job that is finished, the control file goes first. */
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (fstatat(root, path, &status, AT_SYMLINK_NOFOLLOW) == -1)
      return 0;
  }
  if (job->state == LISTING_QUEUED) {
    read_lock(job, root);
    if (job->damage)
      job->state = LISTING_DAMAGED;
  }
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

static void
print_time(int64_t seconds)
{
  char date[64] = "";
  time_t when = (time_t)seconds;
  struct tm *local = localtime(&when);
  if (local)
    strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", local);
  printf("%s", date);
}

/* Why a job was put aside, and when it is tried again. */
static void
print_tries(struct listing const *job)
{
  struct jobrecord const *record = &job->record;
  bool failed = jobrecord_find(record, RETRY_FAILED) != NULL;
  int64_t due_s;
  if (jobrecord_find(record, RETRY_TRIES)) {
    printf("  Tries: ");
    print_line(record, RETRY_TRIES);
    printf("\n");
  }
  if (jobrecord_find(record, failed ? RETRY_FAILED : RETRY_LAST)) {
    printf(failed ? "  Failed: " : "  Last answer: ");
    print_line(record, failed ? RETRY_FAILED : RETRY_LAST);
    printf("\n");
  }
  if (job->state == LISTING_DEFERRED && retry_job(job->name, &due_s)) {
    printf("  Next try: ");
    print_time(due_s);
    printf("\n");
  }
}

void
listing_text(struct listing const *job, uint64_t number)
{
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
  print_safe(jobfan_base(job->name), strlen(jobfan_base(job->name)));
  if (job->damage) {
    printf(" (%s)\n", job->damage);
    return;
  }
  printf(" (");
  print_line(&job->record, "QDSB");
  printf(" bytes)\n  Submitted: ");
  print_time(job->record.seconds);
  printf(" on ");
  print_line(&job->record, "QSHN");
  printf("\n");
  if (job->state == LISTING_DEFERRED || job->state == LISTING_ASIDE)
    print_tries(job);
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
  print_json(jobfan_base(job->name), strlen(jobfan_base(job->name)));
  char const *state =
      job->state == LISTING_ASIDE ? job->directory : states[job->state];
  print_member("state", state, strlen(state));
  if (job->state == LISTING_ACTIVE) {
    printf(",\"pid\":%ld,\"dead\":%s", (long)job->lock_pid,
           job->dead ? "true" : "false");
    print_member("lock_host", job->lock_host, strlen(job->lock_host));
  }
  if (job->damage)
    print_member("damage", job->damage, strlen(job->damage));
  if (!job->parsed) {
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
