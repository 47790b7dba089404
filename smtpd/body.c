/* The body: off the wire, decoded, into the pipeline. */
#include "smtpd/session.h"

#include <string.h>

#include <skalibs/types.h>

#include "lib/clock.h"

/* A body is not judged by its rate before it has had this time, or the idle
 * timeout if that is shorter. */
#define RATE_GRACE_MS 60000

/* With less room than this for more, a chunk goes on. */
#define CHUNK_ROOM 8192

static char const too_big[] = "552 5.3.4 Message too big for system";

void
body_start(struct session *session, enum dot_state state)
{
  struct body *body = &session->body;
  body->state = state;
  body->passed = false;
  body->used = 0;
  body->discard = false;
  body->refusal = NULL;
  body->bytes = 0;
  body->wire_bytes = 0;
  body->started_ms = clock_ms();
  recording_body(session);
}

/* Read the rest, but pass nothing on. */
static void
refuse(struct session *session, char const *refusal)
{
  struct body *body = &session->body;
  if (body->discard)
    return;
  body->discard = true;
  body->refusal = refusal;
  session_forget(session);
}

/* Pass on what has been decoded. */
static void
pass(struct session *session, bool last)
{
  struct body *body = &session->body;
  char header[sizeof "BDAT  LAST\n" + UINT64_FMT] = "BDAT ";
  size_t n = body->used;
  body->used = 0;
  if (session->lost || session->pipeline.broken ||
      (!body->discard && !session_resume(session)))
    refuse(session, PIPELINE_TROUBLE);
  session_settle(session);
  if (session->lost)
    refuse(session, PIPELINE_TROUBLE);
  if (body->discard)
    return;
  recording_tell(session, !body->passed, last);
  size_t used = 5 + uint64_fmt(header + 5, n);
  if (last) {
    memcpy(header + used, " LAST", 5);
    used += 5;
  }
  header[used++] = '\n';
  pipeline_put(&session->pipeline, header, used);
  pipeline_put(&session->pipeline, body->space, n);
  body->passed = true;
  if (!last)
    pipeline_flush(&session->pipeline);
}

/* n more bytes have been decoded. */
static void
account(struct session *session, size_t n)
{
  struct body *body = &session->body;
  uint64_t limit = session->config.data_bytes;
  body->bytes += n;
  body->used += n;
  if (limit && body->bytes > limit)
    refuse(session, too_big);
  if (body->discard)
    body->used = 0;
  else if (body->used > BODY_CHUNK_MAX - CHUNK_ROOM)
    pass(session, false);
}

/* Whether the body came too slowly so far; then the session ends. */
static bool
is_too_slow(struct session *session)
{
  uint64_t rate = session->config.bytes_per_s;
  int64_t grace_ms = session->wire.idle_ms;
  int64_t taken_ms = clock_ms() - session->body.started_ms;
  if (grace_ms > RATE_GRACE_MS)
    grace_ms = RATE_GRACE_MS;
  if (!rate || taken_ms < grace_ms ||
      session->body.wire_bytes >= rate * (uint64_t)taken_ms / 1000)
    return false;
  session_hang_up(session, "slow", "421 4.4.2 Timeout, closing");
  return true;
}

/* Get more from the client. 0 if there is none; the wire says why. */
static size_t
read_piece(struct session *session, char const **bytes)
{
  struct body *body = &session->body;
  size_t room = BODY_CHUNK_MAX - body->used;
  if (!wire_reads_ahead(&session->wire)) {
    /* Decoded where it is, it takes half the memory. */
    char *ahead = body->space + body->used + DOT_HELD_MAX + DOT_AHEAD;
    *bytes = ahead;
    return wire_read(&session->wire, ahead, room);
  }
  size_t n = wire_piece(&session->wire, bytes);
  return n < room ? n : room;
}

/* Of the piece of n bytes so many have been decoded. */
static void
take_piece(struct session *session, char const *bytes, size_t n, size_t taken)
{
  struct wire *wire = &session->wire;
  session->body.wire_bytes += taken;
  if (wire_has_input(wire))
    wire_take(wire, taken);
  else if (taken < n)
    wire_unread(wire, bytes + taken, n - taken);
}

/* What the client has sent, at most as much as there is room for; waits for
 * it. 0 if the client is gone or too slow. */
static size_t
next_piece(struct session *session, char const **bytes)
{
  struct wire *wire = &session->wire;
  for (;;) {
    if (!wire_has_input(wire)) {
      if (is_too_slow(session))
        return 0;
      if (session->body.discard)
        session_give_back(session);
      else
        session_yield(session);
    }
    size_t n = read_piece(session, bytes);
    if (n || !wire->alarmed)
      return n;
    session_hear_pool(session);
  }
}

int
body_data(struct session *session)
{
  struct body *body = &session->body;
  while (body->state != DOT_END) {
    char const *bytes;
    size_t made;
    size_t n = next_piece(session, &bytes);
    if (!n)
      return 0;
    size_t taken =
        dot_decode(&body->state, bytes, n, body->space + body->used, &made);
    take_piece(session, bytes, n, taken);
    account(session, made);
  }
  pass(session, true);
  return 1;
}

int
body_chunk(struct session *session, uint64_t left, bool last)
{
  struct body *body = &session->body;
  while (left) {
    char const *bytes;
    size_t n = next_piece(session, &bytes);
    if (!n)
      return 0;
    size_t taken = n < left ? n : (size_t)left;
    size_t made =
        dot_newlines(&body->state, bytes, taken, body->space + body->used);
    take_piece(session, bytes, n, taken);
    left -= taken;
    account(session, made);
  }
  if (last) {
    account(session, dot_flush(&body->state, body->space + body->used));
    pass(session, true);
  }
  return 1;
}
