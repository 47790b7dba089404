/* deliver-mbox: a sink that appends messages to mbox files.
 * deliver-mbox(8). */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "deliver/datename.h"
#include "deliver/ending.h"
#include "deliver/envelopehead.h"
#include "deliver/mboxfile.h"
#include "deliver/mboxquote.h"
#include "deliver/storage.h"
#include "lib/clock.h"
#include "lib/envelope.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/spool.h"
#include "lib/stage.h"

#define USAGE                                                                  \
  "deliver-mbox [-e] [-l] [-n name] [-a answer] [-t seconds] [-d directory] "  \
  "file"
#define LIMIT_MAX_S 3600
#define PIECE 8192
#define ID_NAME_MAX 100 /* bytes of the file's name in an id */

struct sink {
  char const *pattern; /* of the file's name */
  char const *directory;
  char const *note;   /* take only recipients with this one; NULL: all */
  char const *answer; /* to a message that was delivered; NULL: the default */
  unsigned int limit_s;
  bool is_local;       /* time */
  bool shows_envelope; /* in the message */
  struct envelope envelope;
  char sender[ADDRESS_MAX + 1];
  char path[PATH_MAX];
  struct mboxquote quote;
  struct spool spool;
  struct mboxfile file;
};

/* What the operator does about this errno. */
static char const *
advice(int reason)
{
  switch (reason) {
  case ETIMEDOUT:
    return "see who holds its lock: fuser FILE; or remove FILE.lock if nobody "
           "does";
  case EISDIR:
  case EINVAL: /* a fifo, a device */
  case ELOOP:  /* a symbolic link */
  case ENXIO:
    return "give the path of a plain file, or remove what stands there";
  default:
    return storage_advice(reason);
  }
}

static void
trouble(struct stage *stage, char const *action, char const *path)
{
  int reason = errno;
  struct log log;
  stage_log(stage, &log, "storage failed");
  log_string(&log, "action", action);
  log_string(&log, "path", path);
  log_string(&log, "error", strerror(reason));
  log_string(&log, "advice", advice(reason));
  log_write(&log);
  stage_answer(stage, storage_answer(reason));
}

/* The sender as the line "From " can have it: one word of ASCII. */
static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct sink *self = stage->state;
  envelope_set_sender(&self->envelope, &mail->address);
  strcpy(self->sender,
         mail->address.length ? mail->address.text : "MAILER-DAEMON");
  for (char *p = self->sender; *p; p++)
    if (*p <= ' ' || *p > '~')
      *p = '-';
}

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct sink *self = stage->state;
  if (self->note && !envelope_has_note(rcpt, self->note))
    return;
  if (self->shows_envelope && !envelope_add(&self->envelope, rcpt))
    stage_answer(stage, "452 4.5.3 too many recipients");
  else
    stage_answer(stage, "250 2.1.5 ok");
}

static int
write_separator(struct sink *self)
{
  char line[ADDRESS_MAX + 64], date[32];
  struct timespec now;
  struct tm time;
  clock_utc(&now);
  if (self->is_local)
    localtime_r(&now.tv_sec, &time);
  else
    gmtime_r(&now.tv_sec, &time);
  if (!datename_expand(self->pattern, &time, self->path, sizeof self->path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &time);
  int n = snprintf(line, sizeof line, "From %s %s\n", self->sender, date);
  return spool_add(&self->spool, line, (size_t)n);
}

/* False after an answer. */
static bool
add(struct stage *stage, char const *bytes, size_t n)
{
  struct sink *self = stage->state;
  char quoted[MBOXQUOTE_ROOM(PIECE)];
  while (n) {
    size_t part = n < PIECE ? n : PIECE;
    size_t used = mboxquote_piece(&self->quote, bytes, part, quoted);
    if (spool_add(&self->spool, quoted, used) == -1) {
      trouble(stage, "write a spool file in", self->directory);
      return false;
    }
    bytes += part;
    n -= part;
  }
  return true;
}

static void
on_body(struct stage *stage)
{
  struct sink *self = stage->state;
  if (!stage->taken)
    return;
  self->quote = (struct mboxquote){0};
  if (write_separator(self) == -1)
    trouble(stage, "write a spool file in", self->directory);
  else if (self->shows_envelope)
    envelopehead_add(&self->envelope, stage, add);
}

static void
on_piece(struct stage *stage, char const *bytes, size_t n)
{
  if (stage->taken)
    add(stage, bytes, n);
}

static void
report(struct stage *stage, char const *event, char const *id, uint64_t bytes)
{
  struct sink const *self = stage->state;
  struct log log;
  stage_log(stage, &log, event);
  if (id)
    log_string(&log, "id", id);
  log_string(&log, "path", self->path);
  log_number(&log, "bytes", bytes);
  log_write(&log);
}

/* 0 or -1: then errno and file.action. */
static int
store(struct stage *stage)
{
  struct sink *self = stage->state;
  struct log log;
  if (mboxfile_open(&self->file, self->path, self->limit_s) == -1)
    return -1;
  if (self->file.broke) {
    stage_log(stage, &log, "removed a lock that was left");
    log_string(&log, "path", self->file.lock);
    log_write(&log);
  }
  if (self->file.cut) {
    stage_log(stage, &log, "cut off an unfinished message");
    log_string(&log, "path", self->path);
    log_number(&log, "bytes", self->file.cut);
    log_write(&log);
  }
  int result = mboxfile_append(&self->file, self->spool.fd);
  int reason = errno;
  if (mboxfile_close(&self->file) == -1) {
    char const *error = strerror(errno);
    stage_log(stage, &log, "unable to remove the lock");
    log_string(&log, "path", self->file.lock);
    log_string(&log, "error", error);
    log_write(&log);
  }
  errno = reason;
  return result;
}

static void
on_end(struct stage *stage)
{
  struct sink *self = stage->state;
  char end[MBOXQUOTE_END_MAX], id[ID_NAME_MAX + 24], text[ID_NAME_MAX + 64];
  if (!stage->taken)
    return;
  if (spool_add(&self->spool, end, mboxquote_end(&self->quote, end)) == -1 ||
      spool_file(&self->spool) == -1) {
    trouble(stage, "write a spool file in", self->directory);
    return;
  }
  ending_hold();
  if (store(stage) == -1) {
    trouble(stage, self->file.action, self->path);
    return;
  }
  char const *slash = strrchr(self->path, '/');
  snprintf(id, sizeof id, "%.*s@%lld", ID_NAME_MAX,
           slash ? slash + 1 : self->path, (long long)self->file.before);
  report(stage, "delivered", id, self->spool.bytes);
  stage_note(stage, "queued", id);
  snprintf(text, sizeof text, "250 2.6.0 delivered as %s", id);
  if (!stage->passed)
    stage_answer(stage, self->answer ? self->answer : text);
}

static void
on_reset(struct stage *stage)
{
  struct sink *self = stage->state;
  spool_clear(&self->spool);
  envelope_reset(&self->envelope);
  ending_release();
}

static void
read_options(int argc, char const *const *argv, struct sink *self)
{
  static struct tm const any;
  subgetopt options = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, argv, "eln:a:t:d:", &options)) != -1) {
    if (option == 'e')
      self->shows_envelope = true;
    else if (option == 'l')
      self->is_local = true;
    else if (option == 'n')
      self->note = option_note("-n", options.arg);
    else if (option == 'a')
      self->answer = option_answer("-a", options.arg);
    else if (option == 't')
      self->limit_s = option_number32("-t", options.arg, 1, LIMIT_MAX_S);
    else if (option == 'd' && *options.arg)
      self->directory = options.arg;
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc - options.ind != 1 || !argv[options.ind][0])
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  self->pattern = argv[options.ind];
  if (!datename_expand(self->pattern, &any, self->path, sizeof self->path))
    strerr_dief(EXIT_PERMANENT, "no file name: ", self->pattern);
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
  static struct sink sink = {.limit_s = 30};
  envelope_reset(&sink.envelope);
  process_begin("deliver-mbox");
  sink.directory = spool_default();
  read_options(argc, argv, &sink);
  spool_begin(&sink.spool, sink.directory, UINT64_MAX);
  ending_catch(NULL);
  return stage_run(&handlers, &sink);
}
