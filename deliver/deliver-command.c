/* deliver-command: a sink that runs a program for each message.
 * deliver-command(8). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "deliver/handover.h"
#include "deliver/storage.h"
#include "lib/clock.h"
#include "lib/envelope.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/program.h"
#include "lib/spool.h"
#include "lib/stage.h"

#define USAGE                                                                  \
  "deliver-command [-Eq] [-n name] [-m per_minute] [-t seconds] "              \
  "[-d directory] program [argument ...]"
#define RATE_MAX 10000
#define LIMIT_MAX_S 86400
#define MINUTE_MS 60000

/* The instants of the last starts, as many as a minute may have. */
struct rate {
  unsigned int most; /* 0: any number */
  unsigned int next;
  int64_t started_ms[RATE_MAX]; /* 0: none */
};

struct sink {
  char const *note; /* take only recipients with this one; NULL: all */
  char const *directory;
  bool is_queue;    /* the program is called as qmail-queue is */
  bool is_reticent; /* the program does not get the envelope */
  struct rate rate;
  struct program program;
  struct envelope envelope;
  struct spool spool;
  struct spool addresses; /* of qmail-queue's envelope */
};

static void
trouble(struct stage *stage, char const *action)
{
  struct sink *self = stage->state;
  int reason = errno;
  struct log log;
  stage_log(stage, &log, "error: unable to hand over the message");
  log_string(&log, "action", action);
  log_string(&log, "dir", self->directory);
  log_string(&log, "error", strerror(reason));
  log_string(&log, "advice", storage_advice(reason));
  log_write(&log);
  stage_answer(stage, storage_answer(reason));
}

static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct sink *self = stage->state;
  envelope_reset(&self->envelope);
  envelope_set_sender(&self->envelope, &mail->address);
}

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct sink *self = stage->state;
  if (self->note && !envelope_has_note(rcpt, self->note))
    return;
  stage_answer(stage, envelope_add(&self->envelope, rcpt)
                          ? "250 2.1.5 ok"
                          : "452 4.5.3 too many recipients");
}

/* Whether one more program may start now; if so, it counts. */
static bool
may_start(struct rate *rate)
{
  int64_t now_ms = clock_ms();
  int64_t *oldest = rate->started_ms + rate->next;
  if (!rate->most)
    return true;
  if (*oldest && now_ms - *oldest < MINUTE_MS)
    return false;
  *oldest = now_ms ? now_ms : 1;
  rate->next = (rate->next + 1) % rate->most;
  return true;
}

static void
on_body(struct stage *stage)
{
  struct sink *self = stage->state;
  struct log log;
  if (!stage->taken)
    return;
  if (!may_start(&self->rate)) {
    stage_log(stage, &log, "too many messages in a minute");
    log_number(&log, "most", self->rate.most);
    log_write(&log);
    stage_answer(stage, "451 4.7.0 too many messages, try again later");
  }
}

static void
on_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct sink *self = stage->state;
  if (stage->taken && spool_add(&self->spool, bytes, n) == -1)
    trouble(stage, "write a spool file");
}

/* What the program's end means; *answer is what is said. */
static enum handover
judge(struct sink const *self, char const **answer)
{
  int status = self->program.status;
  enum handover result = HANDOVER_LATER;
  if (!self->program.timed_out && WIFEXITED(status))
    result = handover_result(WEXITSTATUS(status), self->is_queue);
  *answer = result == HANDOVER_DONE || result == HANDOVER_STOP ? "250 2.6.0 ok"
            : result == HANDOVER_NEVER
                ? "554 5.3.0 the message was refused"
                : "451 4.3.0 unable to take the message, try again later";
  return result;
}

static void
report(struct stage *stage, enum handover result, int64_t elapsed_ms)
{
  struct sink const *self = stage->state;
  struct program const *program = &self->program;
  struct log log;
  if (program->timed_out)
    stage_log(stage, &log, "the program took too long");
  else if (result == HANDOVER_NEVER)
    stage_log(stage, &log, "the program refused");
  else if (result == HANDOVER_LATER)
    stage_log(stage, &log, "the program failed");
  else
    stage_log(stage, &log, "handed over");
  log_string(&log, "program", program->arguments[0]);
  log_status(&log, program->status);
  log_number(&log, "recipients", stage->taken);
  log_number(&log, "bytes", self->spool.bytes);
  log_seconds(&log, "time", (uint64_t)elapsed_ms);
  if (program->said_bytes)
    log_bytes(&log, "output", program->said, program->said_bytes);
  log_write(&log);
}

/* 0; or -1, and *action is what was not possible. */
static int
run(struct sink *self, char const **action)
{
  self->program.in = spool_file(&self->spool);
  self->program.out = -1;
  *action = "write a spool file";
  if (self->program.in == -1)
    return -1;
  if (self->is_queue) {
    if (handover_queue(&self->envelope, &self->addresses) == -1)
      return -1;
    self->program.out = spool_file(&self->addresses);
    if (self->program.out == -1)
      return -1;
  } else if (!self->is_reticent)
    handover_environment(&self->envelope);
  int result = program_run(&self->program);
  *action = self->program.action;
  return result;
}

static void
on_end(struct stage *stage)
{
  struct sink *self = stage->state;
  char const *action, *answer;
  int64_t started_ms = clock_ms();
  if (!stage->taken)
    return;
  if (run(self, &action) == -1) {
    trouble(stage, action);
    return;
  }
  enum handover result = judge(self, &answer);
  report(stage, result, clock_ms() - started_ms);
  if (result == HANDOVER_DONE)
    stage_note(stage, "queued", "program");
  if (result != HANDOVER_DONE || !stage->passed)
    stage_answer(stage, answer);
}

static void
on_reset(struct stage *stage)
{
  struct sink *self = stage->state;
  spool_clear(&self->spool);
  spool_clear(&self->addresses);
}

static void
read_options(int argc, char **argv, struct sink *self)
{
  subgetopt options = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, (char const *const *)argv,
                               "Eqn:m:t:d:", &options)) != -1)
    if (option == 'E')
      self->is_reticent = true;
    else if (option == 'q')
      self->is_queue = true;
    else if (option == 'n')
      self->note = option_note("-n", options.arg);
    else if (option == 'm')
      self->rate.most = option_number32("-m", options.arg, 1, RATE_MAX);
    else if (option == 't')
      self->program.limit_s =
          option_number32("-t", options.arg, 1, LIMIT_MAX_S);
    else if (option == 'd' && *options.arg)
      self->directory = options.arg;
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (options.ind >= argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  self->program.arguments = argv + options.ind;
}

int
main(int argc, char **argv)
{
  static struct stage_handlers const handlers = {.mail = on_mail,
                                                 .rcpt = on_rcpt,
                                                 .body = on_body,
                                                 .piece = on_piece,
                                                 .end = on_end,
                                                 .reset = on_reset};
  static struct sink sink = {.program.limit_s = 120};
  process_begin("deliver-command");
  sink.directory = spool_default();
  read_options(argc, argv, &sink);
  spool_begin(&sink.spool, sink.directory, UINT64_MAX);
  spool_begin(&sink.addresses, sink.directory, UINT64_MAX);
  handover_forget();
  program_prepare();
  return stage_run(&handlers, &sink);
}
