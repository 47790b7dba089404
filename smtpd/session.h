/*
 * One SMTP session: what has been said so far, and what every command needs.
 *
 * MAIL and RCPT go into the pipeline as they come and their answers are waited
 * for only when something else has to be said or nothing more has been read:
 * session_settle(). So a client that pipelines waits once. The body follows
 * when it is whole, or when there is no more room for it.
 *
 * A pipeline of the pool is given back when the client pauses between two
 * transactions, and when it pauses anywhere while others wait; the envelope is
 * then told to another one when the client goes on: resume.c.
 */
#ifndef TRAPLINE_SMTPD_SESSION_H
#define TRAPLINE_SMTPD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/address.h"
#include "lib/client.h"
#include "lib/log.h"
#include "lib/stream.h"
#include "smtpd/authbait.h"
#include "smtpd/config.h"
#include "smtpd/dot.h"
#include "smtpd/facts.h"
#include "smtpd/pipeline.h"
#include "smtpd/recording.h"
#include "smtpd/wire.h"

#define REPLAY_BYTES 65536

enum xclient { XCLIENT_NOT_ASKED, XCLIENT_YES, XCLIENT_NO };

/* The MAIL and RCPT lines of this transaction, as the pipeline has them. */
struct replay {
  bool fits; /* else there was no room for all, nor for more */
  size_t used;
  size_t decided; /* up to here their answers have come */
  char lines[REPLAY_BYTES];
};

/* The longest chunk of a body that goes into the pipeline: with its line it
 * fills STREAM_WIDE_BYTES but for a page, and that a stage needs, as it writes
 * the line by itself. */
#define BODY_CHUNK_MAX                                                         \
  (STREAM_WIDE_BYTES - 2 * 4096 - (sizeof "BDAT 262144\n" - 1))

/* The body in hand. */
struct body {
  enum dot_state state;
  bool passed;         /* some of it is in the pipeline */
  size_t used;         /* in space, not yet passed */
  bool discard;        /* refused: read, not passed on */
  char const *refusal; /* the answer then */
  uint64_t bytes;      /* as stored */
  uint64_t wire_bytes; /* as sent */
  int64_t started_ms;
  char space[BODY_CHUNK_MAX + 2 * DOT_HELD_MAX + DOT_AHEAD];
};

/* What an idle session writes lies together, from the beginning to that of
 * wire's input: a trap has thousands of them. config is last, for it is only
 * read: copies of a process share it. */
struct session {
  char id[48];
  struct client client;
  bool said_client;          /* the pipeline knows the client as it is now */
  bool said_envelope;        /* the pipeline knows the envelope as it is now */
  bool lost;                 /* it was to be told again, and cannot be: 451 */
  bool seen_mail;            /* MAIL accepted, or sent and not answered yet */
  bool tls;                  /* the client speaks TLS */
  enum xclient xclient;      /* whether who has connected may say XCLIENT */
  bool in_bdat;              /* a BDAT without LAST has been taken */
  char const *chunk_refusal; /* what one without LAST heard; it is said to those
                                behind it, which belong to it; or NULL */
  char const *why;      /* the session is to end, and what the log says; NULL:
                           it goes on */
  char context[16];     /* what is answered: a command's verb, or "none",
                           "nohelo", "connect", "body", "LAST" */
  char const *argument; /* of the command in hand; */
  size_t argument_bytes;
  int64_t pressed_ms;   /* since when others wait for this transaction; */
  int64_t stalled_ms;   /* so long it did not move; */
  uint64_t stall_bytes; /* when so much had been read; resume.c */
  uint64_t junk;        /* commands that got nowhere, in a row */
  size_t accepted;      /* recipients of this transaction */
  size_t refused;       /* likewise */
  size_t undecided;     /* likewise, sent and not answered yet */
  int64_t mail_ms;      /* when this transaction began */
  int64_t started_ms;   /* when the session began */
  uint64_t messages;    /* answered 2xx in this session */
  uint64_t recipients;  /* accepted in this session */
  uint64_t refusals;    /* recipients refused in this session */
  uint64_t unsound;     /* MAIL and RCPT that were not understood */
  uint64_t hard;        /* answers 5xx of the pipeline in this session */
  uint64_t commands;
  struct wire wire;
  char from[ADDRESS_MAX + 1]; /* reverse-path of this transaction */
  struct pipeline pipeline;
  struct replay replay;
  struct body body;
  struct facts facts;
  struct authbait auth;
  struct recording recording;
  struct config config;
};

/* Serve the client on descriptors 0 and 1 to the end, and close them. session:
 * as session_next() leaves it, or zeroes but for its config. */
void session_run(struct session *session);

/* After either: give back what is still borrowed. */
void session_end(struct session *session);

/* Get ready for another client: nothing of the last one's is left, but a
 * pipeline of the pool may be, clean. false: the process has to end, it was
 * told to, or what is left cannot be wiped. sessionnext.c */
bool session_next(struct session *session);

/* Take the answers that are still to come, and say them. */
void session_settle(struct session *session);

/* Put a reply on the wire, in the words of control/persona. */
void session_put(struct session *session, char const *reply);

/* Whether the persona has words for such a reply to the command in hand. */
bool session_has_words(struct session const *session, char const *reply);

/* Log what the client hears in its words, the last line, as heard=; it has
 * some. */
void session_log_words(struct session const *session, struct log *log,
                       char const *reply);

/* Whether the persona wants HELO before MAIL and there was none; it is said. */
bool session_wants_helo(struct session *session);

/* The command in hand is this line. */
void session_set_context(struct session *session, char const *line, size_t n);

/* The greeting. */
void session_greet(struct session *session);

/* HELO; extended: EHLO. */
void session_helo(struct session *session, bool extended, char const *argument,
                  size_t n);

/* XCLIENT: whether who has connected may say it; and the command. */
bool xclient_offered(struct session *session);
void xclient(struct session *session, char const *argument, size_t n);

/* What is answered next is not the command in hand, but the message behind it:
 * "body" after DATA, "LAST" after BDAT. */
void session_answer_body(struct session *session);

/* Settle, then say a reply. */
void session_say(struct session *session, char const *reply);

/* The same for a command that got nowhere; too many in a row: 421. */
void session_say_junk(struct session *session, char const *reply);

/* Say the last reply and end. why: for the log; kept. */
void session_hang_up(struct session *session, char const *why,
                     char const *reply);

/* Count an answer of the pipeline for the log. */
void session_count(struct session *session, struct answer const *answer);

/* Say what a stage answered; a verdict with ! ends the session. */
void session_say_answer(struct session *session, struct answer const *answer);

/* The transaction is over; the pipeline knows. */
void session_end_transaction(struct session *session);

/* Forget the transaction, in the pipeline too. */
void session_reset(struct session *session);

/* A log line that begins with the session's id and ip. */
void session_log(struct session const *session, struct log *log,
                 char const *event);

/* Add host and helo; last, for what a client chose may leave no room behind. */
void session_log_names(struct session const *session, struct log *log);

/* resume.c */

/* Start; add MAIL or RCPT, false if it does not fit; RCPT's answer has come. */
void replay_start(struct replay *replay);
bool replay_add(struct replay *replay, char const *line, size_t n);
void replay_decide(struct replay *replay, bool accepted);

/* See that a pipeline runs and knows client and envelope. 1, or 0 if there is
 * none: logged. */
int session_resume(struct session *session);

/* Send RSET, if the pipeline knows of a transaction. */
void session_forget(struct session *session);

/* The wire's alarm went off: the pool says something. */
void session_hear_pool(struct session *session);

/* The client is to be waited for: give the pipeline back if that is right. */
void session_yield(struct session *session);

/* What comes is for no pipeline, however long it is: give it back. */
void session_give_back(struct session *session);

/* transaction.c */
void transaction_mail(struct session *session, char const *argument, size_t n);
void transaction_rcpt(struct session *session, char const *argument, size_t n);

/* body.c */

/* Start in state: see dot.h. */
void body_start(struct session *session, enum dot_state state);

/* Take DATA's body, or n bytes of BDAT's, off the wire and pass it on; what is
 * refused is read all the same. 1, or 0 if the client is gone or too slow. */
int body_data(struct session *session);
int body_chunk(struct session *session, uint64_t n, bool last);

/* starttls.c */

/* The connection begins: whether a program before us has TLS on it, and the
 * name of the protocol. */
void starttls_begin(struct session *session);

/* Whether EHLO offers STARTTLS. */
bool starttls_offered(struct session const *session);

/* Name the protocol, as "with" in Received has it. */
void starttls_protocol(struct session *session, bool extended);

/* The command, with an argument or without. */
void starttls(struct session *session, size_t argument_bytes);

/* message.c */
void message_data(struct session *session, size_t argument_bytes);
void message_bdat(struct session *session, char const *argument, size_t n);

#endif
