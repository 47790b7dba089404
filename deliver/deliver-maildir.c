/* deliver-maildir: a sink that puts messages into a maildir.
 * deliver-maildir(8). */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "deliver/ending.h"
#include "deliver/envelopehead.h"
#include "deliver/storage.h"
#include "lib/envelope.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "deliver-maildir [-e] [-n name] [-a answer] directory"
#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define NAME_MAX_BYTES 255
#define HOST_MAX 63
#define ATTEMPTS 10

struct sink {
  char const *directory;
  bool shows_envelope; /* in the message */
  struct envelope envelope;
  char const *note;    /* take only recipients with this one; NULL: all */
  char const *answer;  /* to a message that was delivered; NULL: the default */
  char const *refusal; /* why this transaction takes no recipient; or NULL */
  char const *action;  /* what failed last */
  int tmp, new;        /* while a transaction has recipients here; -1: closed */
  int fd;              /* the message in hand; -1: none */
  uint64_t bytes;
  unsigned long count; /* of names drawn */
  bool is_synced;      /* the names of tmp, new and cur are: once at the start,
                          who has made them may not have come to that yet */
  char host[HOST_MAX + 1];
  char name[NAME_MAX_BYTES + 1]; /* of the file in tmp, if fd is not -1 */
};

/* For the signal handler; everything else gets it as stage->state. */
static struct sink sink;
static volatile sig_atomic_t in_tmp;

/* Log what failed; returns the answer for it. */
static char const *
storage_failed(struct stage *stage)
{
  struct sink *self = stage->state;
  int reason = errno;
  struct log log;
  stage_log(stage, &log, "storage failed");
  storage_log(&log, self->action, self->directory, reason);
  return storage_answer(reason);
}

static int
failed(struct sink *self, char const *action)
{
  self->action = action;
  return -1;
}

static void
close_one(int *fd)
{
  if (*fd >= 0)
    fd_close(*fd);
  *fd = -1;
}

/* What is in tmp of the message in hand goes. */
static void
abandon(struct sink *self)
{
  int reason = errno;
  if (self->fd >= 0)
    unlinkat(self->tmp, self->name, 0);
  in_tmp = 0;
  close_one(&self->fd);
  errno = reason;
}

/* Made if it is missing, which is then to be synced. */
static int
open_part(struct sink *self, int root, char const *name)
{
  if (mkdirat(root, name, 0700) == 0)
    self->is_synced = false;
  else if (errno != EEXIST)
    return -1;
  return openat(root, name, DIRECTORY);
}

/* 0 or -1. The maildir must exist; what belongs in it is made. */
static int
open_maildir(struct sink *self)
{
  int root = open(self->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return failed(self, "open");
  int cur = open_part(self, root, "cur"); /* readers look for it */
  self->tmp = open_part(self, root, "tmp");
  self->new = open_part(self, root, "new");
  bool opened = cur >= 0 && self->tmp >= 0 && self->new >= 0 &&
                (self->is_synced || fd_sync(root) == 0);
  int reason = errno;
  self->is_synced = opened;
  close_one(&cur);
  fd_close(root);
  errno = reason;
  return opened ? 0 : failed(self, "open tmp, new and cur of");
}

/* A name that no other delivery has: time, microseconds, process, number. */
static void
draw_name(struct sink *self)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(self->name, sizeof self->name, "%lld.M%06ldP%ldQ%lu.%s",
           (long long)now.tv_sec, now.tv_nsec / 1000, (long)getpid(),
           ++self->count, self->host);
}

static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct sink *self = stage->state;
  envelope_set_sender(&self->envelope, &mail->address);
  self->refusal = NULL;
}

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct sink *self = stage->state;
  if (self->note && !envelope_has_note(rcpt, self->note))
    return;
  if (!self->refusal && self->new < 0 && open_maildir(self) == -1)
    self->refusal = storage_failed(stage);
  if (self->refusal)
    stage_answer(stage, self->refusal);
  else if (self->shows_envelope && !envelope_add(&self->envelope, rcpt))
    stage_answer(stage, "452 4.5.3 too many recipients");
  else
    stage_answer(stage, "250 2.1.5 ok");
}

/* False after an answer. */
static bool
add(struct stage *stage, char const *bytes, size_t n)
{
  struct sink *self = stage->state;
  self->bytes += n;
  if (allwrite(self->fd, bytes, n) == n)
    return true;
  self->action = "write to a file in tmp of";
  abandon(self);
  stage_answer(stage, storage_failed(stage));
  return false;
}

static void
on_piece(struct stage *stage, char const *bytes, size_t n)
{
  if (stage->taken)
    add(stage, bytes, n);
}

static void
on_body(struct stage *stage)
{
  struct sink *self = stage->state;
  if (!stage->taken)
    return;
  self->bytes = 0;
  for (int attempt = 1; self->fd < 0; attempt++) {
    draw_name(self);
    in_tmp = 1; /* before the file is there: a signal may come */
    self->fd = openat(self->tmp, self->name,
                      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (self->fd < 0 && (errno != EEXIST || attempt == ATTEMPTS)) {
      in_tmp = 0;
      self->action = "create a file in tmp of";
      stage_answer(stage, storage_failed(stage));
      return;
    }
  }
  if (self->shows_envelope)
    envelopehead_add(&self->envelope, stage, add);
}

/* Sync it, link it to new, see that the link is on disk. 0 or -1. */
static int
commit(struct sink *self)
{
  int fd = self->fd;
  if (fd_sync(fd) == -1)
    return failed(self, "sync a file in tmp of");
  if (linkat(self->tmp, self->name, self->new, self->name, 0) == -1)
    return failed(self, "link a file into new of");
  if (fd_sync(self->new) == 0)
    return 0;
  int reason = errno;
  unlinkat(self->new, self->name, 0);
  errno = reason;
  return failed(self, "sync new of");
}

static void
on_end(struct stage *stage)
{
  struct sink *self = stage->state;
  char delivered[NAME_MAX_BYTES + 32];
  struct log log;
  if (!stage->taken)
    return;
  ending_hold();
  int result = commit(self);
  char const *refusal = result == -1 ? storage_failed(stage) : NULL;
  abandon(self);
  if (refusal) {
    stage_answer(stage, refusal);
    return;
  }
  stage_log(stage, &log, "delivered");
  log_string(&log, "id", self->name);
  log_string(&log, "dir", self->directory);
  log_number(&log, "bytes", self->bytes);
  log_write(&log);
  stage_note(stage, "queued", self->name);
  if (stage->passed)
    return;
  snprintf(delivered, sizeof delivered, "250 2.6.0 delivered as %s",
           self->name);
  stage_answer(stage, self->answer ? self->answer : delivered);
}

static void
on_reset(struct stage *stage)
{
  struct sink *self = stage->state;
  abandon(self);
  envelope_reset(&self->envelope);
  close_one(&self->tmp);
  close_one(&self->new);
  ending_release();
}

static void
discard(void)
{
  if (in_tmp)
    unlinkat(sink.tmp, sink.name, 0);
}

/* The host's name, as it may stand in a file name. */
static void
set_host(struct sink *self)
{
  if (gethostname(self->host, HOST_MAX) == -1 || !self->host[0])
    strcpy(self->host, "localhost");
  for (char *p = self->host; *p; p++)
    if (*p == '/' || *p == ':')
      *p = '_';
}

static void
read_options(int argc, char const *const *argv, struct sink *self)
{
  subgetopt options = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, argv, "en:a:", &options)) != -1) {
    if (option == 'e')
      self->shows_envelope = true;
    else if (option == 'n')
      self->note = option_note("-n", options.arg);
    else if (option == 'a')
      self->answer = option_answer("-a", options.arg);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc - options.ind != 1 || !argv[options.ind][0])
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  self->directory = argv[options.ind];
}

int
main(int argc, char const *const *argv)
{
  static struct stage_handlers const handlers = {.mail = on_mail,
                                                 .rcpt = on_rcpt,
                                                 .body = on_body,
                                                 .piece = on_piece,
                                                 .end = on_end,
                                                 .reset = on_reset};
  process_begin("deliver-maildir");
  sink.tmp = sink.new = sink.fd = -1;
  envelope_reset(&sink.envelope);
  read_options(argc, argv, &sink);
  set_host(&sink);
  ending_catch(discard);
  return stage_run(&handlers, &sink);
}
