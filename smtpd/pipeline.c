#include "smtpd/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/siovec.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/spawn.h"

#define INPUT_BYTES 4096
#define DRAIN_MS 2000
/* Pieces from this size on are written as they stand, not gathered. */
#define LARGE_BYTES 2048

static void
start_log(struct pipeline const *pipeline, struct log *log, char const *event)
{
  log_start(log, event);
  log_string(log, "session", pipeline->session);
}

void
pipeline_break(struct pipeline *pipeline, char const *why)
{
  if (pipeline->broken)
    return;
  struct log log;
  start_log(pipeline, &log, "error: pipeline broken");
  log_string(&log, "why", why);
  log_write(&log);
  pipeline->broken = true;
  pipeline->output_used = 0;
}

static void
log_error(struct pipeline const *pipeline, char const *event, char const *key,
          char const *object)
{
  char const *reason = strerror(errno);
  struct log log;
  start_log(pipeline, &log, event);
  log_string(&log, key, object);
  log_string(&log, "error", reason);
  log_write(&log);
}

static void
use_lease(struct pipeline *pipeline)
{
  struct lease const *lease = &pipeline->lease;
  pipeline->head = lease->head;
  pipeline->tail = lease->tail;
  pipeline->blind = lease->blind;
  pipeline->leased = true;
}

static int
borrow(struct pipeline *pipeline)
{
  struct config const *config = pipeline->config;
  if (!lease_take(&pipeline->lease, config->pool,
                  (int64_t)config->pool_s * 1000)) {
    log_error(pipeline, "error: unable to borrow a pipeline", "pool",
              config->pool);
    return 0;
  }
  use_lease(pipeline);
  return 1;
}

static int
spawn(struct pipeline *pipeline)
{
  struct stagelist const *list = pipeline->config->stages;
  size_t i = spawn_pipeline(list->stage, list->stages, pipeline->pids,
                            &pipeline->head, &pipeline->tail);
  if (i < list->stages) {
    log_error(pipeline, "error: unable to start a stage", "stage",
              list->stage[i][0]);
    return 0;
  }
  pipeline->leased = false;
  pipeline->blind = false;
  return 1;
}

/* All stages run, and have heard of no session. */
static void
begin(struct pipeline *pipeline)
{
  pipeline->running = true;
  pipeline->broken = false;
  pipeline->output_used = 0;
  pipeline->first = pipeline->answered = pipeline->expected = 0;
  pipeline->queued[0] = 0;
  answers_start(&pipeline->answers);
}

int
pipeline_start(struct pipeline *pipeline, struct config const *config,
               char const *session)
{
  pipeline->config = config;
  pipeline->session = session;
  if (!(config->pool[0] ? borrow(pipeline) : spawn(pipeline)))
    return 0;
  begin(pipeline);
  return 1;
}

void
pipeline_go_on(struct pipeline *pipeline, struct config const *config,
               char const *session, struct lease const *lease)
{
  pipeline->config = config;
  pipeline->session = session;
  pipeline->lease = *lease;
  use_lease(pipeline);
  begin(pipeline);
}

static void
read_tail(struct pipeline *pipeline)
{
  char bytes[INPUT_BYTES];
  ssize_t r = fd_read(pipeline->tail, bytes, sizeof bytes);
  if (r > 0)
    pipeline_take(pipeline, bytes, (size_t)r);
  else if (r == 0)
    pipeline_break(pipeline, "a stage ended");
  else if (errno != EAGAIN)
    pipeline_break(pipeline, strerror(errno));
}

/* Read what has come out by now. When we were stopped for a while, that is in
 * time. */
static void
read_rest(struct pipeline *pipeline)
{
  int bytes = 0;
  if (ioctl(pipeline->tail, FIONREAD, &bytes) == -1)
    return;
  for (; bytes > 0 && !pipeline->broken; bytes -= INPUT_BYTES)
    read_tail(pipeline);
}

/* Wait until the head takes bytes (if writing) or the tail has some, and read
 * these. Breaks the pipeline at the deadline, which the first wait sets: 0
 * before. */
static void
wait_both(struct pipeline *pipeline, bool writing, int64_t *deadline)
{
  struct pollfd ends[2] = {{pipeline->tail, POLLIN, 0},
                           {writing ? pipeline->head : -1, POLLOUT, 0}};
  int64_t now = clock_ms();
  if (!*deadline)
    *deadline = now + (int64_t)pipeline->config->pipeline_s * 1000;
  int64_t left = *deadline - now;
  int r = left > 0 ? poll(ends, 2, (int)left) : 0;
  if (r == 0)
    read_rest(pipeline);
  if (r == 0 && (writing || !pipeline->answered))
    pipeline_break(pipeline, "no answer in time");
  else if (r > 0 && ends[0].revents)
    read_tail(pipeline);
}

/* Write what was gathered, then n bytes. */
static void
write_head(struct pipeline *pipeline, char const *bytes, size_t n)
{
  struct iovec parts[2] = {{pipeline->output, pipeline->output_used},
                           {(char *)bytes, n}};
  struct iovec *part = parts;
  struct iovec *end = parts + 2;
  int64_t deadline = 0;
  pipeline->output_used = 0;
  for (;;) {
    while (part < end && !part->iov_len)
      part++;
    if (part == end || pipeline->broken)
      return;
    ssize_t r = fd_writev(pipeline->head, part, (unsigned int)(end - part));
    if (r >= 0)
      siovec_seek(part, (unsigned int)(end - part), (size_t)r);
    else if (errno == EAGAIN)
      wait_both(pipeline, true, &deadline);
    else if (errno == EPIPE)
      pipeline_break(pipeline, "a stage ended");
    else
      pipeline_break(pipeline, strerror(errno));
  }
}

void
pipeline_flush(struct pipeline *pipeline)
{
  if (pipeline->output_used)
    write_head(pipeline, NULL, 0);
}

void
pipeline_put(struct pipeline *pipeline, char const *bytes, size_t n)
{
  if (pipeline->broken || !pipeline->running)
    return;
  if (n >= LARGE_BYTES) {
    write_head(pipeline, bytes, n);
    return;
  }
  memcpy(pipeline_room(pipeline, n), bytes, n);
  pipeline_add(pipeline, n);
}

char *
pipeline_room(struct pipeline *pipeline, size_t n)
{
  if (n > sizeof pipeline->output - pipeline->output_used)
    write_head(pipeline, NULL, 0);
  return pipeline->output + pipeline->output_used;
}

void
pipeline_add(struct pipeline *pipeline, size_t n)
{
  if (!pipeline->broken && pipeline->running)
    pipeline->output_used += n;
}

void
pipeline_expect(struct pipeline *pipeline, enum expected expected)
{
  pipeline_at(pipeline, pipeline->expected)->expected = expected;
  pipeline->expected++;
}

size_t
pipeline_pending(struct pipeline const *pipeline)
{
  return pipeline->expected;
}

struct answer const *
pipeline_answer(struct pipeline *pipeline)
{
  pipeline_flush(pipeline);
  int64_t deadline = 0;
  while (!pipeline->answered) {
    if (pipeline->broken || !pipeline->running)
      pipeline_resolve_trouble(pipeline);
    else
      wait_both(pipeline, false, &deadline);
  }
  struct answer *answer = pipeline_at(pipeline, 0);
  pipeline->first = (pipeline->first + 1) % PIPELINE_EXPECTED_MAX;
  pipeline->answered--;
  pipeline->expected--;
  if (!pipeline->expected)
    pipeline->first = 0; /* the same memory again */
  return answer;
}

static void
log_stage(struct pipeline const *pipeline, size_t i, int status)
{
  struct log log;
  bool failed = !WIFEXITED(status) || WEXITSTATUS(status);
  if (!failed && !pipeline->broken)
    return;
  start_log(pipeline, &log, "stage ended");
  log_string(&log, "stage", pipeline->config->stages->stage[i][0]);
  log_status(&log, status);
  log_write(&log);
}

/* The stages have heard the end of the session; what they still say is of no
 * interest, that they end is. */
static void
drain(struct pipeline *pipeline)
{
  char bytes[INPUT_BYTES];
  struct pollfd tail = {pipeline->tail, POLLIN, 0};
  int64_t deadline = clock_ms() + DRAIN_MS;
  for (int64_t left = DRAIN_MS; left > 0; left = deadline - clock_ms())
    if (poll(&tail, 1, (int)left) <= 0 ||
        fd_read(pipeline->tail, bytes, sizeof bytes) <= 0)
      return;
}

/* Whether nothing is in it that the next session could take for its own. */
static bool
is_clean(struct pipeline const *pipeline)
{
  struct pollfd tail = {pipeline->tail, POLLIN, 0};
  return !pipeline->broken && !pipeline->expected && poll(&tail, 1, 0) == 0;
}

void
pipeline_end(struct pipeline *pipeline)
{
  int status[SPAWN_MAX];
  if (!pipeline->running)
    return;
  pipeline->running = false;
  pipeline->output_used = 0;
  if (pipeline->leased) {
    pipeline->leased = false;
    lease_end(&pipeline->lease, is_clean(pipeline));
    return;
  }
  close(pipeline->head);
  if (pipeline->broken)
    kill(-pipeline->pids[0], SIGTERM);
  else
    drain(pipeline);
  close(pipeline->tail);
  size_t n = pipeline->config->stages->stages;
  spawn_reap(pipeline->pids, n, status);
  for (size_t i = 0; i < n; i++)
    log_stage(pipeline, i, status[i]);
}
