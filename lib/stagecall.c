/* What handlers call. */
#include "lib/stage.h"

#include <string.h>

#include "lib/log.h"
#include "lib/stageloop.h"
#include "lib/stream.h"

void
stage_log(struct stage const *stage, struct log *log, char const *event)
{
  log_start(log, event);
  if (stage->session[0])
    log_string(log, "session", stage->session);
}

void
stage_answer(struct stage *stage, char const *answer)
{
  struct stage_loop *loop = stage->loop;
  size_t n = 0;
  for (; n < ANSWER_MAX && answer[n]; n++)
    loop->answer[n] =
        (char)(answer[n] < 0x20 || answer[n] > 0x7e ? '?' : answer[n]);
  loop->answer[n] = 0;
  loop->answered = true;
}

void
stage_parameter(struct stage *stage, char const *name, char const *value)
{
  struct stage_loop *loop = stage->loop;
  size_t name_bytes = strlen(name);
  size_t value_bytes = value ? strlen(value) + 1 : 0;
  char *p = loop->parameters + loop->parameter_bytes;
  if (loop->parameter_bytes + 1 + name_bytes + value_bytes > PARAMETERS_MAX)
    return;
  *p++ = ' ';
  memcpy(p, name, name_bytes);
  p += name_bytes;
  if (value) {
    *p++ = '=';
    memcpy(p, value, value_bytes - 1);
    p += value_bytes - 1;
  }
  loop->parameter_bytes = (size_t)(p - loop->parameters);
  loop->parameter_count++;
}

void
stage_write(struct stage *stage, char const *bytes, size_t n)
{
  if (!stage->passed || stage->loop->refused || !n)
    return;
  stream_put_chunk(n, false);
  stream_put(bytes, n);
  stage->loop->sent_body = true;
}

void
stage_note(struct stage *stage, char const *key, char const *value)
{
  (void)stage;
  stream_put_note(key, value);
}
