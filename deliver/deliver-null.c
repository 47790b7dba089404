/* deliver-null: a sink that drops messages. deliver-null(8). */

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "lib/envelope.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "deliver-null [-n name] [-a answer]"

struct sink {
  char const *note;   /* take only recipients with this one; NULL: all */
  char const *answer; /* to a message that was dropped */
  uint64_t bytes;
};

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct sink const *self = stage->state;
  if (!self->note || envelope_has_note(rcpt, self->note))
    stage_answer(stage, "250 2.1.5 ok");
}

static void
on_body(struct stage *stage)
{
  struct sink *self = stage->state;
  self->bytes = 0;
}

static void
on_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct sink *self = stage->state;
  (void)bytes;
  self->bytes += n;
}

static void
on_end(struct stage *stage)
{
  struct sink const *self = stage->state;
  struct log log;
  if (!stage->taken)
    return;
  stage_log(stage, &log, "dropped");
  log_number(&log, "recipients", stage->taken);
  log_number(&log, "bytes", self->bytes);
  log_write(&log);
  stage_note(stage, "queued", "null");
  if (!stage->passed)
    stage_answer(stage, self->answer);
}

static void
read_options(int argc, char const *const *argv, struct sink *self)
{
  subgetopt options = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, argv, "n:a:", &options)) != -1) {
    if (option == 'n')
      self->note = option_note("-n", options.arg);
    else if (option == 'a')
      self->answer = option_answer("-a", options.arg);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (argc != options.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
}

int
main(int argc, char const *const *argv)
{
  static struct stage_handlers const handlers = {
      .rcpt = on_rcpt, .body = on_body, .piece = on_piece, .end = on_end};
  struct sink sink = {.answer = "250 2.6.0 ok"};
  process_begin("deliver-null");
  read_options(argc, argv, &sink);
  return stage_run(&handlers, &sink);
}
