/*
 * The pipeline of a session: stages that were spawned for it, or lent by
 * trap-pool; commands in at the head, answers out at the tail, in order. Every
 * call polls both ends, so that neither side can block the other.
 *
 * A pipeline that dies, says what is no stream or does not answer in time is
 * broken: it is logged, what is still expected of it is answered 451, and it
 * is to be ended; the next transaction starts a new one.
 */
#ifndef TRAPLINE_SMTPD_PIPELINE_H
#define TRAPLINE_SMTPD_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/answers.h"
#include "lib/command.h"
#include "smtpd/config.h"
#include "smtpd/lease.h"

#define PIPELINE_EXPECTED_MAX 32 /* commands not yet answered */
#define PIPELINE_ANSWER_MAX 480  /* bytes; more is cut */
#define PIPELINE_ID_MAX 127
#define PIPELINE_OUTPUT_BYTES (2 * COMMAND_LINE_MAX)

/* The answer where no pipeline can give one. */
#define PIPELINE_TROUBLE "451 4.3.0 Temporary server error"

enum expected {
  EXPECT_MAIL,
  EXPECT_RCPT,
  EXPECT_LAST,
  EXPECT_RSET,
  EXPECT_REPLAY, /* a MAIL or RCPT that was answered to the client before */
};

struct answer {
  enum expected expected;
  bool hangup;
  char text[PIPELINE_ANSWER_MAX + 1]; /* "ddd text", printable ASCII */
};

struct pipeline {
  pid_t pids[SPAWN_MAX];
  char queued[PIPELINE_ID_MAX + 1]; /* XNOTE queued= of this transaction */
  struct config const *config;
  char const *session; /* for log lines */
  bool running;
  bool leased; /* lent by the pool, else ours */
  bool blind;  /* no stage of it judges senders */
  bool broken;
  struct lease lease;
  int head, tail;
  size_t output_used;
  size_t first, answered, expected; /* in the ring */
  /* Last, as they are used from their beginnings: few pages are touched. */
  char output[PIPELINE_OUTPUT_BYTES];
  struct answers answers;
  struct answer ring[PIPELINE_EXPECTED_MAX]; /* first answered ones, then those
                                                still expected */
};

/* Start the stages, or borrow some; a pipeline of zeroes runs nothing. session:
 * for log lines; both are kept. 1, or 0 if that cannot be: logged. */
int pipeline_start(struct pipeline *pipeline, struct config const *config,
                   char const *session);

/* The same with one that another session has borrowed, and left clean. */
void pipeline_go_on(struct pipeline *pipeline, struct config const *config,
                    char const *session, struct lease const *lease);

/* Hand over bytes; what is small is gathered until pipeline_flush(). */
void pipeline_put(struct pipeline *pipeline, char const *bytes, size_t n);

/* The same in place: where n bytes, at most COMMAND_LINE_MAX, can be put; then
 * how many were. */
char *pipeline_room(struct pipeline *pipeline, size_t n);
void pipeline_add(struct pipeline *pipeline, size_t n);

/* A command was put whose answer is to be taken with pipeline_answer(). */
void pipeline_expect(struct pipeline *pipeline, enum expected expected);

/* How many answers are still to be taken. */
size_t pipeline_pending(struct pipeline const *pipeline);

void pipeline_flush(struct pipeline *pipeline);

/* Wait for the oldest answer that is still to be taken (flushes first). Valid
 * until the next call. That of EXPECT_RSET is empty. */
struct answer const *pipeline_answer(struct pipeline *pipeline);

/* What is lent goes back, as clean unless it is broken or owes answers. What is
 * ours is ended: close both ends and wait for the stages; those that do not end
 * by themselves are ended. Logs a stage that failed. */
void pipeline_end(struct pipeline *pipeline);

/* Between pipeline.c and pipelinetail.c */

/* The ith command of those answered and those expected. */
struct answer *pipeline_at(struct pipeline *pipeline, size_t i);

/* The pipeline is of no use any more: log why; what it owes will be 451. */
void pipeline_break(struct pipeline *pipeline, char const *why);

/* Bytes have come out of the tail. */
void pipeline_take(struct pipeline *pipeline, char const *bytes, size_t n);

/* The oldest expected command is answered 451. */
void pipeline_resolve_trouble(struct pipeline *pipeline);

#endif
