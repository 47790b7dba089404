#include "lib/jobwriter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#define ATTEMPTS 10
#define FILE_MODE 0640
/* Pieces from this size on are written as they stand, not gathered. */
#define LARGE_BYTES 8192

static int
system_clock(struct timespec *now)
{
  return clock_gettime(CLOCK_REALTIME, now);
}

static int
system_random(uint16_t *number)
{
  return getrandom(number, sizeof *number, 0) == sizeof *number ? 0 : -1;
}

static int
set_host(struct jobwriter *writer, char const *host)
{
  char own[JOBWRITER_HOST_MAX + 1] = "";
  size_t used = 0;
  if (!host && gethostname(own, sizeof own - 1) == -1)
    own[0] = 0;
  for (char const *p = host ? host : own; *p; p++) {
    if (*p == '\r' || *p == '\n')
      continue;
    if (used == JOBWRITER_HOST_MAX)
      return -1;
    writer->host[used++] = *p;
  }
  writer->host[used] = 0;
  if (!used && !host)
    memcpy(writer->host, "nohost", sizeof "nohost");
  return writer->host[0] ? 0 : -1;
}

int
jobwriter_start(struct jobwriter *writer, char const *directory,
                unsigned int priority, char const *host)
{
  writer->source = (struct jobwriter_source){system_clock, system_random};
  writer->priority = priority;
  writer->pid = (uint32_t)getpid();
  writer->state = JOBWRITER_EMPTY;
  writer->data_fd = -1;
  writer->buffered = 0;
  writer->data_bytes = 0;
  if (set_host(writer, host) == -1 || priority > JOBNAME_PRIORITY_MAX) {
    errno = EINVAL;
    return -1;
  }
  return jobqueue_start(&writer->queue, directory);
}

static void
close_data(struct jobwriter *writer)
{
  if (writer->data_fd >= 0)
    close(writer->data_fd);
  writer->data_fd = -1;
}

void
jobwriter_abandon(struct jobwriter *writer)
{
  int error = errno;
  struct jobqueue *queue = &writer->queue;
  int state = writer->state;
  if (state == JOBWRITER_DATA || state == JOBWRITER_LINKED)
    unlinkat(queue->tmp, writer->tmp_data, 0);
  if (state == JOBWRITER_CONTROL)
    unlinkat(queue->tmp, writer->tmp_control, 0);
  if (state >= JOBWRITER_LINKED)
    unlinkat(queue->root, writer->data_path, 0);
  close_data(writer);
  writer->state = JOBWRITER_EMPTY;
  errno = error;
}

/* The end of a failed job. The next one looks for its directories anew. */
static int
give_up(struct jobwriter *writer)
{
  int error = errno;
  jobwriter_abandon(writer);
  jobqueue_close(&writer->queue);
  errno = error;
  return -1;
}

/* A new name for the job, other than its last one. */
static int
draw_name(struct jobwriter *writer)
{
  struct jobname name = {.priority = writer->priority,
                         .seconds = writer->started.tv_sec,
                         .microseconds =
                             (unsigned int)(writer->started.tv_nsec / 1000),
                         .host = writer->host,
                         .pid = writer->pid};
  if (writer->source.random(&name.random) == -1)
    return jobqueue_fail(&writer->queue, "draw a random number for", "", "");
  if (!jobname_base(&name, writer->base)) {
    errno = ERANGE;
    return jobqueue_fail(&writer->queue, "put the clock's year in a name in",
                         "", "");
  }
  return 0;
}

/* Create a file in tmp, under a new name if that is taken. state: what may be
 * on disk from here on. Returns a descriptor or -1. */
static int
create(struct jobwriter *writer, char *name, char const *suffix,
       enum jobwriter_state state)
{
  int const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  sig_atomic_t before = writer->state;
  bool renewed = false;
  for (int attempt = 1;; attempt++) {
    stpcpy(stpcpy(name, writer->base), suffix);
    writer->state =
        (sig_atomic_t)state; /* before the file is there: a signal may come */
    int fd = openat(writer->queue.tmp, name, flags, FILE_MODE);
    if (fd >= 0)
      return fd;
    writer->state = before;
    if (errno == ENOENT && !renewed) {
      renewed = true;
      if (jobqueue_renew_tmp(&writer->queue) == -1)
        return -1;
    } else if (errno == EEXIST && attempt < ATTEMPTS) {
      if (draw_name(writer) == -1)
        return -1;
    } else {
      return jobqueue_fail(&writer->queue, "create", "tmp", name);
    }
  }
}

int
jobwriter_begin(struct jobwriter *writer)
{
  jobwriter_abandon(writer);
  writer->buffered = 0;
  writer->data_bytes = 0;
  if (jobqueue_ready(&writer->queue) == -1)
    return -1;
  if (writer->source.clock(&writer->started) == -1) {
    jobqueue_fail(&writer->queue, "read the clock for", "", "");
    return give_up(writer);
  }
  if (draw_name(writer) == -1)
    return give_up(writer);
  writer->data_fd = create(writer, writer->tmp_data, ".data", JOBWRITER_DATA);
  return writer->data_fd >= 0 ? 0 : give_up(writer);
}

/* Write what was gathered, then n bytes. */
static int
write_data(struct jobwriter *writer, char const *bytes, size_t n)
{
  struct iovec parts[2] = {{writer->buffer, writer->buffered},
                           {(char *)bytes, n}};
  size_t all = writer->buffered + n;
  writer->buffered = 0;
  size_t written = n ? allwritev(writer->data_fd, parts, 2)
                     : allwrite(writer->data_fd, writer->buffer, all);
  if (written == all)
    return 0;
  return jobqueue_fail(&writer->queue, "write", "tmp", writer->tmp_data);
}

int
jobwriter_write(struct jobwriter *writer, char const *bytes, size_t n)
{
  writer->data_bytes += n;
  if (n >= JOBWRITER_DATA_BUFFER - writer->buffered || n >= LARGE_BYTES)
    return write_data(writer, bytes, n) == 0 ? 0 : give_up(writer);
  memcpy(writer->buffer + writer->buffered, bytes, n);
  writer->buffered += n;
  return 0;
}

/* link(2); where it reports an error, the target's inode decides: over NFS the
 * answer of a link that was made can get lost. */
static int
link_file(int from, char const *name, int to, char const *target)
{
  struct stat source, made;
  if (linkat(from, name, to, target, 0) == 0)
    return 0;
  int error = errno;
  if (fstatat(from, name, &source, AT_SYMLINK_NOFOLLOW) == 0 &&
      fstatat(to, target, &made, AT_SYMLINK_NOFOLLOW) == 0 &&
      source.st_dev == made.st_dev && source.st_ino == made.st_ino)
    return 0;
  errno = error;
  return -1;
}

/* Link tmp/J.data into its hash directory, and see that the link is on disk. */
static int
link_data(struct jobwriter *writer)
{
  struct jobqueue *queue = &writer->queue;
  for (int attempt = 1;; attempt++) {
    jobname_data(writer->base, writer->data_path);
    int leaf = jobqueue_leaf(queue, writer->data_path);
    if (leaf == -1)
      return -1;
    char const *name = strrchr(writer->data_path, '/') + 1;
    int linked = link_file(queue->tmp, writer->tmp_data, leaf, name);
    if (linked == 0)
      writer->state = JOBWRITER_LINKED;
    int synced = linked == 0 ? fd_sync(leaf) : -1;
    if (synced == 0)
      return 0;
    if (linked == 0)
      return jobqueue_fail(queue, "sync the directory of", writer->data_path,
                           "");
    if (errno == ENOENT)
      jobqueue_forget_leaf(queue, writer->data_path);
    bool again = attempt < ATTEMPTS && (errno == EEXIST || errno == ENOENT);
    if (!again)
      return jobqueue_fail(queue, "link", writer->data_path, "");
    if (errno == EEXIST && draw_name(writer) == -1)
      return -1;
  }
}

static int
store_data(struct jobwriter *writer)
{
  struct jobqueue *queue = &writer->queue;
  if (write_data(writer, NULL, 0) == -1)
    return -1;
  if (fd_sync(writer->data_fd) == -1)
    return jobqueue_fail(queue, "sync", "tmp", writer->tmp_data);
  int fd = writer->data_fd;
  writer->data_fd = -1;
  if (close(fd) == -1 && errno != EINTR)
    return jobqueue_fail(queue, "close", "tmp", writer->tmp_data);
  if (link_data(writer) == -1)
    return -1;
  if (unlinkat(queue->tmp, writer->tmp_data, 0) == -1)
    return jobqueue_fail(queue, "remove", "tmp", writer->tmp_data);
  writer->state = JOBWRITER_STORED;
  return 0;
}

static int
write_control(struct jobwriter *writer, struct metadata const *metadata,
              size_t count)
{
  struct jobqueue *queue = &writer->queue;
  char path[JOBQUEUE_FILE_MAX + 1];
  stpcpy(stpcpy(stpcpy(path, queue->path), "/"), writer->data_path);
  struct jobcontrol control = {
      .data_path = path,
      .data_bytes = writer->data_bytes,
      .seconds = writer->started.tv_sec,
      .microseconds = (unsigned int)(writer->started.tv_nsec / 1000),
      .host = writer->host};
  size_t n = jobcontrol_format(&control, metadata, count, writer->buffer,
                               sizeof writer->buffer);
  if (!n)
    return jobqueue_fail(queue, "write metadata of", writer->data_path, "");
  int fd = create(writer, writer->tmp_control, ".ctrl", JOBWRITER_CONTROL);
  if (fd == -1)
    return -1;
  char const *action = NULL;
  if (allwrite(fd, writer->buffer, n) < n)
    action = "write";
  else if (fd_sync(fd) == -1)
    action = "sync";
  int error = errno;
  if (close(fd) == -1 && errno != EINTR && !action)
    action = "close";
  else
    errno = error;
  return action ? jobqueue_fail(queue, action, "tmp", writer->tmp_control) : 0;
}

/* The commit. */
static int
publish(struct jobwriter *writer)
{
  struct jobqueue *queue = &writer->queue;
  bool renewed = false;
  for (int attempt = 1;; attempt++) {
    if (link_file(queue->tmp, writer->tmp_control, queue->queue,
                  writer->base) == 0)
      return 0;
    if (errno == ENOENT && !renewed) {
      renewed = true;
      if (jobqueue_renew_queue(queue) == -1)
        return -1;
    } else if (errno == EEXIST && attempt < ATTEMPTS) {
      if (draw_name(writer) == -1)
        return -1;
    } else {
      return jobqueue_fail(queue, "link", "queue", writer->base);
    }
  }
}

int
jobwriter_commit(struct jobwriter *writer, struct metadata const *metadata,
                 size_t count, int *exists)
{
  struct jobqueue *queue = &writer->queue;
  *exists = 0;
  if (store_data(writer) == -1 ||
      write_control(writer, metadata, count) == -1 || publish(writer) == -1)
    return give_up(writer);
  *exists = 1;
  writer->state = JOBWRITER_EMPTY;
  /* A name that stays in tmp is no harm to the job; trapline-queue(5). */
  if (unlinkat(queue->tmp, writer->tmp_control, 0) == -1)
    unlinkat(queue->tmp, writer->tmp_control, 0);
  if (fd_sync(queue->queue) == -1) {
    jobqueue_fail(queue, "sync, with the job in it,", "queue", "");
    return give_up(writer);
  }
  /* Workers poll this time; some file systems do not set it for a link. */
  futimens(queue->queue, NULL);
  return 0;
}
