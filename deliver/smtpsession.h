/*
 * A session with an SMTP or LMTP server, used for one message after another.
 *
 *   state   entered when                         left when
 *   CLOSED  at first; after a failure            smtpsession_begin(): OPEN
 *   OPEN    greeted, MAIL taken                  smtpsession_data(): DATA
 *   IDLE    no transaction is open               smtpsession_begin(): OPEN
 *   DATA    the message may be sent              smtpsession_end(): IDLE
 *
 * Functions that talk return the reply's code, which is then in reply, or -1:
 * the connection is closed, and wire.error says why.
 */
#ifndef TRAPLINE_DELIVER_SMTPSESSION_H
#define TRAPLINE_DELIVER_SMTPSESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/smtpbody.h"
#include "lib/address.h"
#include "lib/client.h"
#include "lib/smtpwire.h"

/* Bytes in a command, no address counted. */
#define SMTPSESSION_LINE_MAX 512

enum smtpsession_state {
  SMTPSESSION_CLOSED,
  SMTPSESSION_IDLE,
  SMTPSESSION_OPEN,
  SMTPSESSION_DATA
};

/* What the server offers. */
enum {
  SMTPSESSION_8BITMIME = 1,
  SMTPSESSION_PIPELINING = 2,
  SMTPSESSION_SIZE = 4,
  SMTPSESSION_SMTPUTF8 = 8,
  SMTPSESSION_XCLIENT = 16,
  SMTPSESSION_XFORWARD = 32,
  SMTPSESSION_STARTTLS = 64
};

enum smtpsession_tls {
  SMTPSESSION_TLS_OFFERED, /* with whoever offers it, whoever that is */
  SMTPSESSION_TLS_NEVER,
  SMTPSESSION_TLS_VERIFIED, /* with the target alone, or nothing is sent */
};

/* Set target, name, the first two flags, tls and wire.limit_s; wire.fd is -1.
 */
struct smtpsession {
  enum smtpsession_state state;
  char const *target;
  char const *name; /* ours, for EHLO */
  bool is_lmtp;
  bool is_client; /* XCLIENT, where offered, makes us the client */
  enum smtpsession_tls tls;
  bool is_clear; /* TLS has failed: the next connection is without */
  unsigned int offers;
  uint64_t size_most;                       /* of a message; 0: any */
  char attributes[2][SMTPSESSION_LINE_MAX]; /* XCLIENT's, XFORWARD's: each in
                                               blanks */
  struct client told;                       /* by XCLIENT */
  char reply[SMTPWIRE_REPLY_MAX + 1];
  struct smtpbody body;
  struct smtpwire wire;
};

/* A transaction's first half. */
struct smtpsession_mail {
  struct client const *client;
  char const *ident; /* for XFORWARD; may be empty */
  struct address sender;
  bool is_utf8;  /* the client said SMTPUTF8 */
  uint64_t size; /* of the message, as the client said; 0: it did not */
};

/* Connect if need be, also where the server closed a connection that was idle,
 * and say who the client is, and MAIL. */
int smtpsession_begin(struct smtpsession *session,
                      struct smtpsession_mail const *mail);

int smtpsession_rcpt(struct smtpsession *session,
                     struct address const *recipient);

/* DATA: the code is 354 if the message may be sent. */
int smtpsession_data(struct smtpsession *session);

/* n bytes of the message. 0 or -1. */
int smtpsession_piece(struct smtpsession *session, char const *bytes, size_t n);

/* The end of the message; the first reply to it. */
int smtpsession_end(struct smtpsession *session);

/* LMTP: the next recipient's reply. */
int smtpsession_next(struct smtpsession *session);

/* Forget the transaction. */
void smtpsession_reset(struct smtpsession *session);

/* QUIT. */
void smtpsession_quit(struct smtpsession *session);

#endif
