#include "deliver/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "deliver/retry.h"

#define FILE_MODE 0640
#define STATE_PREFIX "dq."

bool
aside_is_name(char const *name)
{
  static char const *const others[] = {"", "tmp", "data", "queue", "active"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (!strcmp(name, others[i]))
      return false;
  return name[0] != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX;
}

int
aside_start(struct aside *aside, char const *directory, char const *target)
{
  aside->directory = -1;
  if (jobtaker_start(&aside->taker, directory, NULL) == -1)
    return -1;
  jobtaker_init(&aside->taker, &aside->in_hand);
  return target ? jobwriter_start(&aside->writer, target, 0, NULL) : 0;
}

int
aside_open(struct aside *aside, bool dry)
{
  struct jobqueue *queue = &aside->taker.queue;
  int opened = dry ? jobqueue_look(queue) : jobtaker_ready(&aside->taker);
  if (opened == -1)
    return -1;
  aside->directory = openat(queue->root, aside->name,
                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (aside->directory == -1 && errno == ENOENT)
    return 0;
  if (aside->directory == -1)
    return jobqueue_fail(queue, "open", aside->name, "");
  while (flock(aside->directory, LOCK_EX) == -1)
    if (errno != EINTR)
      return jobqueue_fail(queue, "lock", aside->name, "");
  return 1;
}

static void
close_data(struct aside *aside)
{
  if (aside->in_hand.data_fd >= 0)
    close(aside->in_hand.data_fd);
  aside->in_hand.data_fd = -1;
}

static enum aside_result
left(struct aside *aside, char const *reason)
{
  aside->reason = reason;
  close_data(aside);
  return ASIDE_LEFT;
}

static enum aside_result
failed(struct aside *aside, struct jobqueue const *queue)
{
  struct jobqueue_failure const *failure = &queue->failure;
  snprintf(aside->reason_text, sizeof aside->reason_text, "unable to %s %s: %s",
           failure->action, failure->path, strerror(failure->error));
  return left(aside, aside->reason_text);
}

/* NULL, or what is wrong with the control file. */
static char const *
read_control(struct aside *aside, int fd)
{
  struct job *job = &aside->in_hand;
  struct stat status;
  if (fstat(fd, &status) == -1 || !S_ISREG(status.st_mode))
    return "control file is no regular file";
  ssize_t n = fd_read(fd, job->text, sizeof job->text);
  if (n == -1)
    return "unable to read the control file";
  if (n > JOBRECORD_TEXT_MAX)
    return "control file too long";
  char const *reason = jobrecord_parse(&job->record, job->text, (size_t)n);
  return reason ? reason
                : jobdata_locate(&aside->taker.data, &aside->taker.queue,
                                 job->record.data_path, job->data_path);
}

enum aside_result
aside_read(struct aside *aside, char const *file)
{
  struct job *job = &aside->in_hand;
  struct stat status;
  int64_t due_s;
  char const *reason;
  close_data(aside);
  snprintf(aside->file, sizeof aside->file, "%s", file);
  aside->job = !strcmp(aside->name, RETRY_DIRECTORY)
                   ? retry_job(aside->file, &due_s)
                   : aside->file;
  if (!aside->job || strlen(aside->job) > JOBTAKER_NAME_MAX)
    return left(aside, "no name of a job");
  int fd = openat(aside->directory, file,
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd == -1)
    return errno == ENOENT || errno == EBADF
               ? ASIDE_GONE
               : left(aside, "control file cannot be opened");
  reason = read_control(aside, fd);
  close(fd);
  if (reason)
    return left(aside, reason);
  job->data_fd = jobdata_open(&aside->taker.data, &aside->taker.queue,
                              job->data_path, &job->data_bytes, &reason);
  if (job->data_fd == -1)
    return left(aside, reason ? reason : strerror(errno));
  if (job->record.has_bytes && job->data_bytes < job->record.data_bytes)
    return left(aside, "data file cut short");
  if (fstatat(aside->taker.queue.queue, aside->job, &status,
              AT_SYMLINK_NOFOLLOW) == 0)
    return left(aside, "the queue has a job of this name");
  return ASIDE_DONE;
}

static bool
is_state(struct metadata const *line)
{
  return !strncmp(line->key, STATE_PREFIX, sizeof STATE_PREFIX - 1);
}

/* The control file without the state of tries, in tmp, on disk. 0 or -1. */
static int
write_clean(struct aside *aside, char const *name)
{
  static char text[JOBRECORD_TEXT_MAX];
  static struct metadata set[JOBRECORD_LINES_MAX];
  int const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  struct jobqueue *queue = &aside->taker.queue;
  struct jobrecord const *record = &aside->in_hand.record;
  char path[JOBQUEUE_FILE_MAX + NAME_MAX];
  size_t count = 0;
  for (size_t i = 0; i < record->lines; i++)
    if (is_state(record->line + i))
      set[count++] = (struct metadata){record->line[i].key, NULL, 0};
  snprintf(path, sizeof path, "%s/%s", queue->path, aside->in_hand.data_path);
  size_t n = jobrecord_format(record, path, set, count, text, sizeof text);
  unlinkat(queue->tmp, name, 0);
  errno = EFBIG;
  int fd = n ? openat(queue->tmp, name, flags, FILE_MODE) : -1;
  if (fd == -1)
    return jobqueue_fail(queue, "create", "tmp", name);
  bool written = allwrite(fd, text, n) == n && fd_sync(fd) == 0;
  if (!written)
    jobqueue_fail(queue, "write", "tmp", name);
  fd_close(fd);
  return written ? 0 : -1;
}

/* Put the clean control file in the old one's place. 0 or -1. */
static int
clean(struct aside *aside)
{
  struct jobqueue *queue = &aside->taker.queue;
  char name[JOBTAKER_NAME_MAX + 40];
  snprintf(name, sizeof name, "%s.%lld.ctrl", aside->job, (long long)getpid());
  if (write_clean(aside, name) == 0) {
    if (renameat(queue->tmp, name, aside->directory, aside->file) == 0)
      return 0;
    jobqueue_fail(queue, "replace", aside->name, aside->file);
  }
  unlinkat(queue->tmp, name, 0);
  return -1;
}

enum aside_result
aside_return(struct aside *aside)
{
  struct job *job = &aside->in_hand;
  bool has_state = false;
  close_data(aside);
  for (size_t i = 0; i < job->record.lines; i++)
    has_state |= is_state(job->record.line + i);
  if (has_state && clean(aside) == -1)
    return failed(aside, &aside->taker.queue);
  int returned =
      jobtaker_return(&aside->taker, aside->directory, aside->file, aside->job);
  if (returned == -1)
    return failed(aside, &aside->taker.queue);
  return returned ? ASIDE_DONE
                  : left(aside, "the queue has a job of this name");
}

/* What goes with the job into the other queue; NULL, or why it cannot. */
static char const *
collect(struct jobrecord const *record, struct metadata *metadata,
        size_t *count)
{
  *count = 0;
  for (size_t i = 0; i < record->lines; i++) {
    struct metadata const *line = record->line + i;
    if (jobrecord_is_own(line->key) || is_state(line))
      continue;
    if (!jobcontrol_is_key(line->key) ||
        !jobcontrol_is_value(line->value, line->value_bytes))
      return "metadata that another queue cannot have";
    metadata[(*count)++] = *line;
  }
  return NULL;
}

/* All of the data file into the other queue. */
static enum aside_result
copy_data(struct aside *aside)
{
  static char bytes[65536];
  struct job *job = &aside->in_hand;
  uint64_t left_bytes = job->data_bytes;
  while (left_bytes) {
    ssize_t n = fd_read(job->data_fd, bytes, sizeof bytes);
    if (n <= 0) {
      jobwriter_abandon(&aside->writer);
      return left(aside, "unable to read the data file");
    }
    if (jobwriter_write(&aside->writer, bytes, (size_t)n) == -1)
      return failed(aside, &aside->writer.queue);
    left_bytes -= (uint64_t)n > left_bytes ? left_bytes : (uint64_t)n;
  }
  return ASIDE_DONE;
}

enum aside_result
aside_copy(struct aside *aside)
{
  static struct metadata metadata[JOBRECORD_LINES_MAX];
  struct job *job = &aside->in_hand;
  struct jobqueue *queue = &aside->taker.queue;
  size_t count;
  int exists;
  char const *reason = collect(&job->record, metadata, &count);
  if (reason)
    return left(aside, reason);
  aside->writer.priority = 50;
  if (aside->job[1] >= '0' && aside->job[1] <= '9' && aside->job[2] == '.')
    aside->writer.priority =
        (unsigned int)((aside->job[0] - '0') * 10 + aside->job[1] - '0');
  if (jobwriter_begin(&aside->writer) == -1)
    return failed(aside, &aside->writer.queue);
  if (copy_data(aside) != ASIDE_DONE)
    return ASIDE_LEFT;
  if (jobwriter_commit(&aside->writer, metadata, count, &exists) == -1)
    return failed(aside, &aside->writer.queue);
  close_data(aside);
  if (unlinkat(aside->directory, aside->file, 0) == -1 && errno != ENOENT)
    jobqueue_fail(queue, "remove, after it was copied,", aside->name,
                  aside->file);
  else if (jobdata_remove(&aside->taker.data, queue, job->data_path) == -1)
    jobqueue_fail(queue, "remove, after it was copied,", job->data_path, "");
  else
    return ASIDE_DONE;
  return failed(aside, queue);
}
