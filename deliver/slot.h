/*
 * A place for one job at a time, and the warm pipeline that it goes through.
 *
 *   state   entered when                            left when
 *   EMPTY   at first; all stages were reaped        slot_start()
 *   IDLE    started; the last job's answers are in  slot_send(): BUSY
 *   BUSY    a job goes through                      answered: IDLE; in trouble:
 *                                                   slot_end()
 *   ENDING  slot_end(): both ends are closed        all stages reaped: EMPTY
 */
#ifndef TRAPLINE_DELIVER_SLOT_H
#define TRAPLINE_DELIVER_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "deliver/replay.h"
#include "lib/jobtaker.h"
#include "lib/stagelist.h"

#define SLOT_BUFFER 65536

enum slot_state { SLOT_EMPTY, SLOT_IDLE, SLOT_BUSY, SLOT_ENDING };

struct slot {
  enum slot_state state;
  int head, tail;
  struct stagelist *list; /* whose stages they are; held until EMPTY */
  size_t alive;           /* of these not yet reaped */
  bool worn;              /* to be ended when it is IDLE */
  bool in_trouble;        /* ENDING: not of its own accord */
  bool killed;            /* likewise: SIGKILL was sent */
  int64_t since_ms;       /* in this state */
  int64_t sent_ms;        /* the job; */
  int64_t beat_ms;        /* its lock was last touched */
  int64_t pause_ms;       /* before the next start: the last ones got nowhere */
  size_t text_sent;
  uint64_t data_left;
  uint64_t heard;     /* bytes that came out since the job was sent */
  size_t from, to;    /* of what waits in buffer */
  char const *reason; /* why the pipeline is of no use */
  pid_t group;
  pid_t pids[SPAWN_MAX]; /* 0: reaped */
  struct replay replay;
  struct job job;
  char buffer[SLOT_BUFFER];
};

enum slot_result {
  SLOT_WAIT,     /* more is to come */
  SLOT_ANSWERED, /* the slot is IDLE; see replay */
  SLOT_BROKEN    /* reason says why; the slot is to be ended */
};

/* Spawn the stages; all zero before. 1, or 0 after a log line, and the slot is
 * to be left alone for pause_ms. */
int slot_start(struct slot *slot, struct stagelist *list, int64_t now_ms);

/* Send the job that was taken, whose replay was built, as far as the pipeline
 * takes it. */
enum slot_result slot_send(struct slot *slot, int64_t now_ms);

/* The head may be written again, the tail has something to be read. */
enum slot_result slot_write(struct slot *slot);
enum slot_result slot_read(struct slot *slot, int64_t now_ms);

/* BUSY, and to be given up: take all that has come out by now. A process that
 * was stopped for a while finds the answer there, and its time over. */
enum slot_result slot_read_rest(struct slot *slot, int64_t now_ms);

/* To ENDING. in_trouble: with SIGTERM. */
void slot_end(struct slot *slot, bool in_trouble, int64_t now_ms);

/* See which stages have ended; logs those that failed. Whether one ended that
 * should not have: the slot is to be ended. */
bool slot_reap(struct slot *slot, int64_t now_ms);

/* ENDING takes long: end it. How long until then; -1: no such need. */
int64_t slot_press(struct slot *slot, int64_t now_ms);

#endif
