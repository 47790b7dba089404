/*
 * The pipelines of trap-pool.
 *
 *   state     entered when                        left when
 *   FREE      never used, or all stages reaped    lane_start()
 *   STARTING  its stages were spawned             its probe has come out: IDLE
 *   IDLE      it is clean                         lent: LENT
 *   LENT      a borrower has its descriptors      back and clean: IDLE
 *   ENDING    it is not wanted any more: too old, its stages all reaped: FREE
 *             in doubt, failed
 *
 * The probe, "XNOTE blind=0", goes through a new pipeline before it is lent: it
 * shows that every stage runs, and counts those that do not judge senders.
 */
#ifndef TRAPLINE_SMTPD_LANE_H
#define TRAPLINE_SMTPD_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/stagelist.h"

#define LANE_PROBE_MAX 64

enum lane_state {
  LANE_FREE,
  LANE_STARTING,
  LANE_IDLE,
  LANE_LENT,
  LANE_ENDING,
};

struct lane {
  enum lane_state state;
  bool blind;     /* no stage judges senders */
  bool started;   /* the probe has come out */
  bool failed;    /* a stage ended by itself */
  bool signalled; /* ENDING: SIGTERM was sent */
  int head, tail;
  size_t alive; /* of its stages, not yet reaped */
  uint64_t sessions;
  uint64_t generation;
  int64_t since_ms; /* in this state */
  int64_t born_ms;
  struct lane *next; /* in the list of idle lanes */
  size_t probe_bytes;
  char probe[LANE_PROBE_MAX];
  struct stagelist *list; /* whose stages they are; held until FREE */
  pid_t group;            /* of the processes of all stages */
  pid_t pids[SPAWN_MAX];  /* 0: reaped, and may be another's now */
};

/* FREE to STARTING: spawn the stages and send the probe. 1, or 0 after a log
 * line. */
int lane_start(struct lane *lane, struct stagelist *list);

/* The tail of a STARTING lane is readable. 1 once the lane is IDLE; 0 if more
 * has to come; -1 after a log line if it is of no use. */
int lane_probe(struct lane *lane);

/* To ENDING: close both ends, which ends the stages. */
void lane_end(struct lane *lane);

/* ENDING, and the stages take their time: end them. */
void lane_press(struct lane *lane);

/* A process has ended. Whether it was one of this lane's; logs it if the lane
 * did not expect it. */
bool lane_reaped(struct lane *lane, pid_t pid, int status);

#endif
