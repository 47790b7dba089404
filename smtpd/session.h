/*
 * One SMTP session: what has been said so far, and what every command needs.
 *
 * MAIL and RCPT go into the pipeline as they come and their answers are waited
 * for only when something else has to be said or nothing more has been read:
 * session_settle(). So a client that pipelines waits once.
 */
#ifndef TRAPLINE_SMTPD_SESSION_H
#define TRAPLINE_SMTPD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/address.h"
#include "lib/client.h"
#include "lib/log.h"
#include "smtpd/config.h"
#include "smtpd/dot.h"
#include "smtpd/pipeline.h"
#include "smtpd/wire.h"

/* The body in hand. */
struct body {
  enum dot_state state;
  bool discard;        /* refused: read, not passed on */
  char const *refusal; /* the answer then */
  uint64_t bytes;      /* as stored */
  uint64_t wire_bytes; /* as sent */
  int64_t started_ms;
  char space[WIRE_INPUT_BYTES + DOT_HELD_MAX];
};

struct session {
  struct config const *config;
  char id[48];
  struct client client;
  bool said_client;    /* the pipeline knows the client as it is now */
  bool seen_mail;      /* MAIL accepted, or sent and not answered yet */
  bool in_bdat;        /* a BDAT without LAST has been taken */
  char const *why;     /* the session is to end, and what the log says; NULL:
                          it goes on */
  uint64_t junk;       /* commands that got nowhere, in a row */
  size_t accepted;     /* recipients of this transaction */
  size_t refused;      /* likewise */
  size_t undecided;    /* likewise, sent and not answered yet */
  int64_t mail_ms;     /* when this transaction began */
  int64_t started_ms;  /* when the session began */
  uint64_t messages;   /* answered 2xx in this session */
  uint64_t recipients; /* accepted in this session */
  uint64_t refusals;   /* recipients refused in this session */
  uint64_t commands;
  char from[ADDRESS_MAX + 1]; /* reverse-path of this transaction */
  struct body body;
  struct pipeline pipeline;
  struct wire wire;
};

/* Serve the client on descriptors 0 and 1 to the end. */
void session_run(struct session *session, struct config const *config);

/* Take the answers that are still to come, and say them. */
void session_settle(struct session *session);

/* Settle, then say a reply. */
void session_say(struct session *session, char const *reply);

/* The same for a command that got nowhere; too many in a row: 421. */
void session_say_junk(struct session *session, char const *reply);

/* Say the last reply and end. why: for the log; kept. */
void session_hang_up(struct session *session, char const *why,
                     char const *reply);

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

/* transaction.c */
void transaction_mail(struct session *session, char const *argument, size_t n);
void transaction_rcpt(struct session *session, char const *argument, size_t n);

/* message.c */
void message_data(struct session *session, size_t argument_bytes);
void message_bdat(struct session *session, char const *argument, size_t n);

#endif
