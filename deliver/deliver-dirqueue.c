/* deliver-dirqueue: a sink that puts messages into a directory queue.
 * deliver-dirqueue(8), trapline-queue(5). */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "deliver/ending.h"
#include "deliver/jobmetadata.h"
#include "deliver/notes.h"
#include "deliver/queuecap.h"
#include "deliver/storage.h"
#include "lib/envelope.h"
#include "lib/exitcode.h"
#include "lib/jobwriter.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/stage.h"
#include "lib/stream.h"

#define USAGE                                                                  \
  "deliver-dirqueue [-c | -a answer] [-n name] [-p priority] [-j maxjobs] "    \
  "[-s maxbytes] [-H host] directory"

struct sink {
  struct jobwriter writer;
  struct envelope envelope;
  struct notes notes;
  struct queuecap jobs;
  struct queuecap bytes;
  char const *note;    /* only recipients with this one; NULL: all */
  bool copies;         /* takes none: all are passed on */
  char const *answer;  /* to a message that was queued; NULL: the default */
  char const *refusal; /* why this transaction takes no recipient; or NULL */
  bool wanted;         /* the message, for a recipient */
  bool seen_queue;     /* this transaction found the queue open, with room */
  struct jobmetadata metadata;
};

/* For the signal handler; everything else gets it as stage->state. */
static struct sink sink;

/* Log why the writer failed; returns the answer for it. */
static char const *
storage_failed(struct stage *stage)
{
  struct jobqueue_failure const *failure = &sink.writer.queue.failure;
  struct log log;
  stage_log(stage, &log, "storage failed");
  storage_log(&log, failure->action, failure->path, failure->error);
  return storage_answer(failure->error);
}

/* NULL if there is room for so many more, else the answer. */
static char const *
check_cap(struct stage *stage, struct queuecap *cap, uint64_t more)
{
  struct sink *self = stage->state;
  struct jobqueue *queue = &self->writer.queue;
  bool counts_jobs = cap == &self->jobs;
  struct log log;
  int room =
      queuecap_has_room(cap, counts_jobs ? queue->queue : queue->data, more);
  if (room == 1)
    return NULL;
  if (room == -1) {
    jobqueue_fail(queue, "count", counts_jobs ? "queue" : "data", "");
    return storage_failed(stage);
  }
  stage_log(stage, &log, "queue full");
  log_string(&log, "cap", counts_jobs ? "jobs" : "bytes");
  log_number(&log, "count", cap->count);
  log_number(&log, "more", more);
  log_number(&log, "max", cap->most);
  log_string(&log, "dir", queue->path);
  log_string(&log, "advice",
             counts_jobs ? "see that workers run, or raise -j"
                         : "see that workers run, or raise -s");
  log_write(&log);
  return storage_answer(ENOSPC);
}

static void
on_client(struct stage *stage)
{
  struct sink *self = stage->state;
  notes_reset(&self->notes);
}

static void
on_note(struct stage *stage, struct note const *note)
{
  struct sink *self = stage->state;
  enum notes_kind kind =
      stage->in_transaction ? NOTES_TRANSACTION : NOTES_SESSION;
  char const *reason;
  struct log log;
  /* The loop knows the session; an outcome is an earlier sink's. */
  if (!strcmp(note->key, "session") || jobmetadata_is_outcome(note->key))
    return;
  if (jobmetadata_is_reserved(note->key))
    reason = "reserved key";
  else if (!jobcontrol_is_value(note->value, note->value_bytes))
    reason = "LF or NUL in the value";
  else if (!notes_add(&self->notes, kind, note))
    reason = "too many notes";
  else
    return;
  stage_log(stage, &log, "note left out");
  log_string(&log, "key", note->key);
  log_string(&log, "reason", reason);
  log_write(&log);
}

static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct sink *self = stage->state;
  envelope_set_sender(&self->envelope, &mail->address);
}

/* Whether this transaction can be stored, as far as one can tell now. */
static char const *
check_queue(struct stage *stage)
{
  struct sink *self = stage->state;
  char const *refusal = NULL;
  if (self->seen_queue || self->refusal)
    return self->refusal;
  if (jobqueue_ready(&self->writer.queue) == -1)
    refusal = storage_failed(stage);
  if (!refusal)
    refusal = check_cap(stage, &self->jobs, 1);
  if (!refusal)
    refusal = check_cap(stage, &self->bytes, 1);
  self->seen_queue = !refusal;
  self->refusal = refusal;
  return refusal;
}

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct sink *self = stage->state;
  if (self->note && !envelope_has_note(rcpt, self->note))
    return;
  char const *refusal = check_queue(stage);
  if (refusal)
    stage_answer(stage, refusal);
  else if (!envelope_add(&self->envelope, rcpt))
    stage_answer(stage, "452 4.5.3 too many recipients");
  else {
    self->wanted = true;
    if (!self->copies)
      stage_answer(stage, "250 2.1.5 ok");
  }
}

static void
on_body(struct stage *stage)
{
  struct sink *self = stage->state;
  if (self->wanted && jobwriter_begin(&self->writer) == -1)
    stage_answer(stage, storage_failed(stage));
}

static void
on_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct sink *self = stage->state;
  if (!self->wanted)
    return;
  char const *refusal =
      check_cap(stage, &self->bytes, self->writer.data_bytes + n);
  if (refusal) {
    jobwriter_abandon(&self->writer);
    stage_answer(stage, refusal);
  } else if (jobwriter_write(&self->writer, bytes, n) == -1) {
    stage_answer(stage, storage_failed(stage));
  }
}

static void
log_queued(struct stage *stage)
{
  struct sink *self = stage->state;
  struct log log;
  stage_log(stage, &log, "queued");
  log_string(&log, "id", self->writer.base);
  log_string(&log, "dir", self->writer.queue.path);
  log_number(&log, "bytes", self->writer.data_bytes);
  log_write(&log);
}

static void
on_end(struct stage *stage)
{
  struct sink *self = stage->state;
  char queued[JOBNAME_BASE_MAX + 32] = "250 2.6.0 queued as ";
  int exists;
  if (!self->wanted)
    return;
  struct jobmetadata *metadata = &self->metadata;
  jobmetadata_collect(metadata, stage, &self->envelope, &self->notes,
                      &self->writer.started);
  ending_hold();
  int result =
      jobwriter_commit(&self->writer, metadata->line, metadata->count, &exists);
  if (exists) {
    queuecap_add(&self->jobs, 1);
    queuecap_add(&self->bytes, self->writer.data_bytes);
    log_queued(stage);
  }
  if (result == -1) {
    stage_answer(stage, storage_failed(stage));
    return;
  }
  stage_note(stage, "queued", self->writer.base);
  if (stage->passed)
    return;
  strcat(queued, self->writer.base);
  stage_answer(stage, self->answer ? self->answer : queued);
}

static void
on_reset(struct stage *stage)
{
  struct sink *self = stage->state;
  jobwriter_abandon(&self->writer);
  envelope_reset(&self->envelope);
  notes_end_transaction(&self->notes);
  self->wanted = false;
  self->seen_queue = false;
  self->refusal = NULL;
  ending_release();
}

static void
discard(void)
{
  jobwriter_abandon(&sink.writer);
}

static void
read_options(int argc, char const *const *argv, struct sink *self)
{
  subgetopt options = SUBGETOPT_ZERO;
  char const *host = NULL;
  uint64_t priority = 50, jobs = 0, bytes = 0;
  int option;
  while ((option = subgetopt_r(argc, argv, "cn:a:p:j:s:H:", &options)) != -1) {
    if (option == 'c')
      self->copies = true;
    else if (option == 'n')
      self->note = option_note("-n", options.arg);
    else if (option == 'a')
      self->answer = option_answer("-a", options.arg);
    else if (option == 'p')
      priority = option_number("-p", options.arg, 0, JOBNAME_PRIORITY_MAX);
    else if (option == 'j')
      jobs = option_number("-j", options.arg, 1, UINT64_MAX);
    else if (option == 's')
      bytes = option_number("-s", options.arg, 1, UINT64_MAX);
    else if (option == 'H')
      host = options.arg;
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc - options.ind != 1 || (self->copies && self->answer))
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  char const *directory = argv[options.ind];
  queuecap_start(&self->jobs, jobs, queuecap_jobs);
  queuecap_start(&self->bytes, bytes, queuecap_bytes);
  if (jobwriter_start(&self->writer, directory, (unsigned int)priority, host) ==
      -1)
    strerr_diefusys(EXIT_PERMANENT, "use directory ", directory);
}

int
main(int argc, char const *const *argv)
{
  static struct stage_handlers const handlers = {.client = on_client,
                                                 .note = on_note,
                                                 .mail = on_mail,
                                                 .rcpt = on_rcpt,
                                                 .body = on_body,
                                                 .piece = on_piece,
                                                 .end = on_end,
                                                 .reset = on_reset};
  process_begin("deliver-dirqueue");
  read_options(argc, argv, &sink);
  envelope_reset(&sink.envelope);
  notes_reset(&sink.notes);
  ending_catch(discard);
  int result = stage_run(&handlers, &sink);
  jobwriter_abandon(&sink.writer);
  return result;
}
