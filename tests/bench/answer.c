/* A sink that takes every message and keeps none. */
#include "lib/process.h"
#include "lib/stage.h"

static void
rcpt(struct stage *stage, struct envelope_command const *command)
{
  (void)command;
  stage_answer(stage, "250 2.1.5 ok");
}

static void
end(struct stage *stage)
{
  stage_answer(stage, "250 2.6.0 ok");
}

int
main(void)
{
  static struct stage_handlers const handlers = {.rcpt = rcpt, .end = end};
  process_begin("answer");
  return stage_run(&handlers, 0);
}
