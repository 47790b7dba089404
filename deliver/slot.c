#include "deliver/slot.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "lib/log.h"

#define KILL_AFTER_MS 2000
#define SLOT_HEARD_MORE 1048576
#define PAUSE_LEAST_MS 1000
#define PAUSE_MOST_MS 60000

static void
enter(struct slot *slot, enum slot_state state, int64_t now_ms)
{
  slot->state = state;
  slot->since_ms = now_ms;
}

/* The next start comes later each time, until a job gets through. */
static void
lengthen_pause(struct slot *slot)
{
  slot->pause_ms = slot->pause_ms ? slot->pause_ms * 2 : PAUSE_LEAST_MS;
  if (slot->pause_ms > PAUSE_MOST_MS)
    slot->pause_ms = PAUSE_MOST_MS;
}

int
slot_start(struct slot *slot, struct stagelist *list, int64_t now_ms)
{
  struct log log;
  size_t n = spawn_pipeline(list->stage, list->stages, slot->pids, &slot->head,
                            &slot->tail);
  if (n == list->stages) {
    slot->list = stagelist_hold(list);
    slot->alive = n;
    slot->group = slot->pids[0];
    slot->worn = false;
    slot->killed = false;
    enter(slot, SLOT_IDLE, now_ms);
    return 1;
  }
  char const *error = strerror(errno);
  log_start(&log, "error: unable to start a stage");
  log_string(&log, "stage", list->stage[n][0]);
  log_string(&log, "error", error);
  log_write(&log);
  enter(slot, SLOT_EMPTY, now_ms);
  lengthen_pause(slot);
  return 0;
}

static enum slot_result
broken(struct slot *slot, char const *reason)
{
  slot->reason = reason;
  return SLOT_BROKEN;
}

/* Fill the empty buffer. 1, or 0 if the data file ends too early. */
static int
fill(struct slot *slot)
{
  stralloc const *text = &slot->replay.text;
  size_t n = text->len - slot->text_sent;
  slot->from = slot->to = 0;
  if (n > sizeof slot->buffer)
    n = sizeof slot->buffer;
  if (n)
    memcpy(slot->buffer, text->s + slot->text_sent, n);
  slot->text_sent += n;
  slot->to = n;
  while (slot->data_left && slot->to < sizeof slot->buffer) {
    size_t most = sizeof slot->buffer - slot->to;
    if (most > slot->data_left)
      most = (size_t)slot->data_left;
    ssize_t r = fd_read(slot->job.data_fd, slot->buffer + slot->to, most);
    if (r <= 0)
      return 0;
    slot->to += (size_t)r;
    slot->data_left -= (size_t)r;
  }
  return 1;
}

static bool
is_sent(struct slot const *slot)
{
  return slot->from == slot->to && !slot->data_left &&
         slot->text_sent == slot->replay.text.len;
}

enum slot_result
slot_write(struct slot *slot)
{
  while (slot->state == SLOT_BUSY && !is_sent(slot)) {
    if (slot->from == slot->to && !fill(slot))
      return broken(slot, "unable to read the data file");
    ssize_t r =
        fd_write(slot->head, slot->buffer + slot->from, slot->to - slot->from);
    if (r == -1 && errno == EAGAIN)
      return SLOT_WAIT;
    if (r == -1)
      return broken(slot, errno == EPIPE ? "a stage ended" : strerror(errno));
    slot->from += (size_t)r;
  }
  return SLOT_WAIT;
}

enum slot_result
slot_send(struct slot *slot, int64_t now_ms)
{
  slot->text_sent = 0;
  slot->heard = 0;
  slot->data_left = slot->job.data_bytes;
  slot->from = slot->to = 0;
  enter(slot, SLOT_BUSY, now_ms);
  return slot_write(slot);
}

static enum slot_result
take(struct slot *slot, char const *bytes, size_t n, int64_t now_ms)
{
  switch (replay_take(&slot->replay, bytes, n)) {
  case REPLAY_WAITING:
    return SLOT_WAIT;
  case REPLAY_BROKEN:
    return broken(slot, slot->replay.reason);
  case REPLAY_ANSWERED:
    break;
  }
  if (slot->state == SLOT_IDLE)
    return SLOT_WAIT;
  if (!is_sent(slot))
    return broken(slot, "the message was answered before its end");
  slot->pause_ms = 0;
  enter(slot, SLOT_IDLE, now_ms);
  return SLOT_ANSWERED;
}

enum slot_result
slot_read(struct slot *slot, int64_t now_ms)
{
  char bytes[8192];
  ssize_t r = fd_read(slot->tail, bytes, sizeof bytes);
  if (r == -1 && errno == EAGAIN)
    return SLOT_WAIT;
  if (r == -1)
    return broken(slot, strerror(errno));
  if (r == 0)
    return broken(slot, "a stage ended");
  /* What nobody took comes out, with what filters added, and no more. */
  slot->heard += (uint64_t)r;
  if (slot->heard >
      SLOT_HEARD_MORE + 2 * (slot->job.data_bytes + slot->replay.text.len))
    return broken(slot, "more comes out than went in");
  return take(slot, bytes, (size_t)r, now_ms);
}

enum slot_result
slot_read_rest(struct slot *slot, int64_t now_ms)
{
  enum slot_result result;
  uint64_t heard;
  do {
    heard = slot->heard;
    result = slot_read(slot, now_ms);
  } while (result == SLOT_WAIT && slot->heard > heard);
  return result;
}

static void
empty_if_reaped(struct slot *slot, int64_t now_ms)
{
  if (slot->alive)
    return;
  stagelist_drop(slot->list);
  slot->list = NULL;
  enter(slot, SLOT_EMPTY, now_ms);
}

void
slot_end(struct slot *slot, bool in_trouble, int64_t now_ms)
{
  if (slot->state == SLOT_EMPTY || slot->state == SLOT_ENDING)
    return;
  slot->in_trouble = in_trouble;
  if (in_trouble)
    lengthen_pause(slot);
  if (in_trouble && slot->alive)
    kill(-slot->group, SIGTERM);
  close(slot->head);
  close(slot->tail);
  enter(slot, SLOT_ENDING, now_ms);
  empty_if_reaped(slot, now_ms);
}

static void
log_end(struct slot const *slot, size_t stage, int status)
{
  struct log log;
  if (slot->state == SLOT_ENDING && !slot->in_trouble && WIFEXITED(status) &&
      !WEXITSTATUS(status))
    return;
  log_start(&log, "stage ended");
  log_string(&log, "stage", slot->list->stage[stage][0]);
  log_status(&log, status);
  log_write(&log);
}

bool
slot_reap(struct slot *slot, int64_t now_ms)
{
  int status;
  bool seen = false;
  for (size_t i = 0; slot->alive && i < slot->list->stages; i++) {
    if (!slot->pids[i] || waitpid_nointr(slot->pids[i], &status, WNOHANG) == 0)
      continue;
    log_end(slot, i, status);
    slot->pids[i] = 0;
    slot->alive--;
    seen = true;
  }
  if (slot->state != SLOT_ENDING)
    return seen;
  empty_if_reaped(slot, now_ms);
  return false;
}

int64_t
slot_press(struct slot *slot, int64_t now_ms)
{
  if (slot->state != SLOT_ENDING || slot->killed)
    return -1;
  int64_t left = slot->since_ms + KILL_AFTER_MS - now_ms;
  if (left > 0)
    return left;
  kill(-slot->group, SIGKILL);
  slot->killed = true;
  return -1;
}
