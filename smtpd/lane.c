#include "smtpd/lane.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/types.h>

#include "lib/clock.h"
#include "lib/command.h"
#include "lib/log.h"
#include "lib/spawn.h"

#define TERM_AFTER_MS 2000
#define KILL_AFTER_MS 5000

static char const probe[] = "XNOTE blind=0\n";

static void
enter(struct lane *lane, enum lane_state state)
{
  lane->state = state;
  lane->since_ms = clock_ms();
}

static void
log_failure(char const *event, char const *stage, char const *error)
{
  struct log log;
  log_start(&log, event);
  if (stage)
    log_string(&log, "stage", stage);
  log_string(&log, "error", error);
  log_write(&log);
}

int
lane_start(struct lane *lane, struct stagelist *list)
{
  memset(lane, 0, sizeof *lane);
  size_t n = spawn_pipeline(list->stage, list->stages, lane->pids, &lane->head,
                            &lane->tail);
  if (n < list->stages) {
    log_failure("error: unable to start a stage", list->stage[n][0],
                strerror(errno));
    return 0;
  }
  lane->alive = n;
  lane->list = stagelist_hold(list);
  lane->group = lane->pids[0];
  enter(lane, LANE_STARTING);
  lane->born_ms = lane->since_ms;
  if (fd_write(lane->head, probe, sizeof probe - 1) == sizeof probe - 1)
    return 1;
  log_failure("error: unable to write to a pipeline", NULL, strerror(errno));
  lane_end(lane);
  return 0;
}

int
lane_probe(struct lane *lane)
{
  size_t room = sizeof lane->probe - lane->probe_bytes;
  size_t rest;
  struct note note;
  uint32_t blind;
  ssize_t r = fd_read(lane->tail, lane->probe + lane->probe_bytes, room);
  if (r < 0 && errno == EAGAIN)
    return 0;
  if (r <= 0) {
    log_failure("error: pipeline failed at its start", NULL,
                r ? strerror(errno) : "a stage ended");
    return -1;
  }
  lane->probe_bytes += (size_t)r;
  size_t n = lane->probe_bytes - 1;
  if (lane->probe[n] != '\n' && lane->probe_bytes < sizeof lane->probe)
    return 0;
  if (lane->probe[n] != '\n' ||
      command_verb(lane->probe, n, &rest) != VERB_XNOTE ||
      !command_note(lane->probe + rest, n - rest, &note) ||
      !uint320_scan(note.value, &blind)) {
    log_failure("error: pipeline failed at its start", NULL,
                "what comes out is not what went in");
    return -1;
  }
  lane->blind = blind == lane->list->stages;
  lane->started = true;
  enter(lane, LANE_IDLE);
  return 1;
}

static void
free_if_reaped(struct lane *lane)
{
  if (lane->state != LANE_ENDING || lane->alive)
    return;
  stagelist_drop(lane->list);
  lane->list = NULL;
  enter(lane, LANE_FREE);
}

void
lane_end(struct lane *lane)
{
  close(lane->head);
  close(lane->tail);
  enter(lane, LANE_ENDING);
  free_if_reaped(lane);
}

void
lane_press(struct lane *lane)
{
  int64_t age = clock_ms() - lane->since_ms;
  if (age >= KILL_AFTER_MS)
    kill(-lane->group, SIGKILL);
  else if (age >= TERM_AFTER_MS && !lane->signalled) {
    kill(-lane->group, SIGTERM);
    lane->signalled = true;
  }
}

/* Whether a stage before this one has ended, and is still to be reaped. */
static bool
follows_another(struct lane const *lane, size_t i)
{
  while (i--) {
    siginfo_t info = {0};
    if (lane->pids[i] &&
        waitid(P_PID, (id_t)lane->pids[i], &info,
               WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid)
      return true;
  }
  return false;
}

/* Whether what has ended tells something. A borrower may tell of a dead stage
 * by leaving before we hear of it; and those behind a dead stage see an end of
 * file. */
static bool
is_news(struct lane const *lane, size_t i, int status)
{
  bool failed = WIFEXITED(status) && WEXITSTATUS(status);
  bool crashed = WIFSIGNALED(status) && WTERMSIG(status) != SIGPIPE;
  if (lane->state == LANE_ENDING)
    return (crashed && !lane->signalled) || (failed && !lane->started);
  return failed || crashed || !(lane->failed || follows_another(lane, i));
}

static void
log_stage(struct lane const *lane, size_t i, pid_t pid, int status)
{
  struct log log;
  log_start(&log, "error: stage ended");
  log_string(&log, "stage", lane->list->stage[i][0]);
  log_number(&log, "place", i + 1);
  log_number(&log, "pid", (uint64_t)pid);
  log_status(&log, status);
  log_write(&log);
}

bool
lane_reaped(struct lane *lane, pid_t pid, int status)
{
  size_t i = 0;
  if (lane->state == LANE_FREE)
    return false;
  while (i < lane->list->stages && lane->pids[i] != pid)
    i++;
  if (i == lane->list->stages)
    return false;
  lane->pids[i] = 0;
  lane->alive--;
  if (is_news(lane, i, status)) {
    lane->failed = true;
    log_stage(lane, i, pid, status);
  }
  free_if_reaped(lane);
  return true;
}
