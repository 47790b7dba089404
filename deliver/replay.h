/*
 * A job as the stream that once brought it: XCLIENT, XNOTE, MAIL, RCPT, BDAT
 * from its metadata; and what was answered. dq-run(8).
 */
#ifndef TRAPLINE_DELIVER_REPLAY_H
#define TRAPLINE_DELIVER_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "lib/address.h"
#include "lib/answers.h"
#include "lib/jobrecord.h"

#define REPLAY_TEXT_MAX 16777216 /* bytes before the message */
#define REPLAY_ANSWER_MAX 255    /* bytes kept of an answer; more is cut */
#define REPLAY_ID_MAX 127

/* What comes out of one replay. */
enum replay_outcome {
  REPLAY_DONE, /* every recipient: 2xx */
  REPLAY_DEFERRED /* one at least: 4xx */,
  REPLAY_REFUSED, /* no 4xx, one at least: 5xx */
};

enum replay_state {
  REPLAY_WAITING,  /* answers are to come */
  REPLAY_ANSWERED, /* all have come */
  REPLAY_BROKEN,   /* what comes out is no stream; reason says why */
};

struct replay_recipient {
  size_t address; /* offset in addresses */
  size_t bytes;
  unsigned int code;    /* the answer; 0: none yet */
  unsigned int settled; /* by a sink's note, 250 or 554; 0: by answers */
};

/* All zero at first; what it holds on the heap is used again. */
struct replay {
  stralloc text;      /* XCLIENT to the line BDAT n LAST */
  stralloc addresses; /* the recipients' */
  size_t recipients, room;
  struct replay_recipient *recipient;
  size_t left_out; /* addresses that are none */
  struct answers answers;
  size_t answered; /* MAIL, each recipient, LAST */
  unsigned int mail_code, last_code;
  char const *reason;
  char queued[REPLAY_ID_MAX + 1];    /* XNOTE queued= */
  char worst[REPLAY_ANSWER_MAX + 1]; /* the answer that decides; empty: none */
};

/*
 * Make the text for a record and its answers' places. job: its name. fallback:
 * the recipient of a job that names none. 1; 0 with ENOMEM, or with E2BIG if
 * it is longer than REPLAY_TEXT_MAX.
 */
int replay_build(struct replay *replay, struct jobrecord const *record,
                 char const *job, uint64_t data_bytes, char const *fallback);

/* Bytes have come out of the pipeline. */
enum replay_state replay_take(struct replay *replay, char const *bytes,
                              size_t n);

/* What the answers decide; worst is the first answer of that kind. */
enum replay_outcome replay_outcome(struct replay const *replay);

/* Recipients that are not done. */
enum {
  REPLAY_LATER = 1, /* 4xx, or no answer came */
  REPLAY_NEVER = 2, /* 5xx */
};

/* Which of these recipient i is, or 0. */
unsigned int replay_fate(struct replay const *replay, size_t i);

/* Whether sinks have told what became of every recipient, so that the answers
 * do not matter. */
bool replay_is_settled(struct replay const *replay);

/* Add the addresses of recipients of these fates to out, one TAB between any
 * two addresses in it. *count: so many. 1, or 0 if there is no memory. */
int replay_left(struct replay const *replay, unsigned int fates, stralloc *out,
                size_t *count);

#endif
