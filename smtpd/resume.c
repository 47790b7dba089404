/* A session holds a pipeline only while its client keeps the transaction
 * moving. What the pipeline has been told of the envelope is kept, so that
 * another one can be told the same. */
#include "smtpd/session.h"

#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdpass.h"

/* Between two transactions, a lent pipeline is kept for a client that goes on
 * at once. */
#define PAUSE_MS 50
/* A body of which the pipeline has some cannot be told again. When others wait
 * it may stop for so long in all, not counted what it takes to send so many
 * bytes a second; of which twice as many are wanted after each such time. */
#define STALL_MS 1000
#define MOVING_BYTES 16384
#define DOUBLE_MS 10000
#define DOUBLE_MOST 20

/* Stands for the first letter of a command that was refused. */
#define REFUSED '-'

void
replay_start(struct replay *replay)
{
  replay->fits = true;
  replay->used = 0;
  replay->decided = 0;
}

bool
replay_add(struct replay *replay, char const *line, size_t n)
{
  if (n > sizeof replay->lines - replay->used)
    replay->fits = false;
  if (!replay->fits)
    return false;
  memcpy(replay->lines + replay->used, line, n);
  replay->used += n;
  return true;
}

void
replay_decide(struct replay *replay, bool accepted)
{
  char *line = replay->lines + replay->decided;
  if (replay->decided == replay->used)
    return;
  char const *lf = memchr(line, '\n', replay->used - replay->decided);
  if (!accepted)
    *line = REFUSED;
  replay->decided = (size_t)(lf - replay->lines) + 1;
}

/* See that a pipeline runs and knows the client. 1 or 0. */
static int
ready_pipeline(struct session *session)
{
  struct pipeline *pipeline = &session->pipeline;
  if (pipeline->running && pipeline->broken) {
    pipeline_end(pipeline);
    wire_watch(&session->wire, -1);
  }
  if (!pipeline->running) {
    if (!pipeline_start(pipeline, &session->config, session->id))
      return 0;
    session->said_client = false;
    session->said_envelope = false;
    wire_watch(&session->wire, pipeline->leased ? pipeline->lease.socket : -1);
  }
  /* A blind one hears of the client with the first RCPT: nothing is ever in it
   * without a command behind that comes out again. */
  if (session->said_client || (pipeline->blind && !session->seen_mail))
    return 1;
  char *line = pipeline_room(pipeline, CLIENT_LINE_MAX);
  pipeline_add(pipeline, client_format(&session->client, line));
  pipeline_put(pipeline, "XNOTE session=", 14);
  pipeline_put(pipeline, session->id, strlen(session->id));
  pipeline_put(pipeline, "\n", 1);
  pipeline_put(pipeline, session->facts.lines, session->facts.used);
  session->said_client = true;
  return 1;
}

int
session_resume(struct session *session)
{
  struct replay *replay = &session->replay;
  char const *end = replay->lines + replay->used;
  if (!ready_pipeline(session))
    return 0;
  if (!session->seen_mail || session->said_envelope)
    return 1;
  for (char const *line = replay->lines, *next; line < end; line = next) {
    next = (char const *)memchr(line, '\n', (size_t)(end - line)) + 1;
    if (*line == REFUSED)
      continue;
    if (pipeline_pending(&session->pipeline) == PIPELINE_EXPECTED_MAX)
      session_settle(session);
    pipeline_put(&session->pipeline, line, (size_t)(next - line));
    pipeline_expect(&session->pipeline, EXPECT_REPLAY);
  }
  session->said_envelope = true;
  return 1;
}

void
session_forget(struct session *session)
{
  struct pipeline *pipeline = &session->pipeline;
  if (!session->said_envelope || !pipeline->running || pipeline->broken)
    return;
  pipeline_put(pipeline, "RSET\n", 5);
  pipeline_expect(pipeline, EXPECT_RSET);
  session->said_envelope = false;
}

/* Give the pipeline back. */
static void
park(struct session *session)
{
  session_settle(session);
  session_forget(session);
  session_settle(session);
  pipeline_end(&session->pipeline);
  wire_watch(&session->wire, -1);
}

/* Whether the pipeline has been told what cannot be told again. */
static bool
must_hold(struct session const *session)
{
  return session->said_envelope && session->body.passed;
}

void
session_hear_pool(struct session *session)
{
  char byte = 0;
  int fds[FDPASS_MAX];
  size_t n;
  session->wire.alarmed = false;
  if (fdpass_receive(session->pipeline.lease.socket, &byte, fds, &n) > 0)
    session->wire.pressed = byte == LEASE_WANTED;
  while (n)
    close(fds[--n]);
}

void
session_give_back(struct session *session)
{
  if (!session->pipeline.running || !session->pipeline.leased)
    return;
  session->lost = session->lost || must_hold(session);
  park(session);
}

/* The same, and others wait: whether the client goes on. */
static bool
keeps_moving(struct session *session)
{
  int64_t began_ms = clock_ms();
  if (!session->pressed_ms)
    session->pressed_ms = began_ms;
  int64_t doubled = (began_ms - session->pressed_ms) / DOUBLE_MS;
  uint64_t rate = (uint64_t)MOVING_BYTES
                  << (doubled < DOUBLE_MOST ? doubled : DOUBLE_MOST);
  uint64_t bytes = session->wire.bytes_read;
  uint64_t earned_ms = (bytes - session->stall_bytes) * 1000 / rate;
  session->stall_bytes = bytes;
  session->stalled_ms = (uint64_t)session->stalled_ms > earned_ms
                            ? session->stalled_ms - (int64_t)earned_ms
                            : 0;
  /* That he does not take what is said is his doing, whatever he sends. */
  wire_flush(&session->wire);
  int64_t flushed_ms = clock_ms();
  session->stalled_ms += flushed_ms - began_ms;
  if (flushed_ms > began_ms && session->stalled_ms >= STALL_MS)
    return false;
  /* What took longer than it was waited for was not. */
  int64_t left_ms = STALL_MS - session->stalled_ms;
  bool ready = wire_ready(&session->wire, (int)left_ms);
  int64_t took_ms = clock_ms() - flushed_ms;
  session->stalled_ms += took_ms < left_ms ? took_ms : left_ms;
  return ready;
}

void
session_yield(struct session *session)
{
  struct pipeline *pipeline = &session->pipeline;
  if (!pipeline->running || !pipeline->leased)
    return;
  /* Who takes no replies pauses, too. */
  if (!must_hold(session) && !wire_push(&session->wire)) {
    park(session);
    return;
  }
  if (!session->seen_mail) {
    if (session->wire.pressed || !wire_ready(&session->wire, PAUSE_MS))
      park(session);
    return;
  }
  if (!session->wire.pressed)
    return;
  if (must_hold(session)) {
    if (keeps_moving(session))
      return;
    session->lost = true;
  }
  park(session);
}
