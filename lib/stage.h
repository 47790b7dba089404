/*
 * The stage loop: what every filter and sink shares. A program fills in
 * handlers for what it cares about and calls stage_run(); the loop reads the
 * stream on descriptor 0, frames it, holds its limits, passes on to descriptor
 * 1 what nobody answered, and sees that every command gets one answer.
 * The protocol is trapline-stream(7).
 *
 * Output is written when the loop is about to wait for input, so the commands
 * of one packet travel together.
 */
#ifndef TRAPLINE_LIB_STAGE_H
#define TRAPLINE_LIB_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/client.h"
#include "lib/command.h"

#define STAGE_SESSION_MAX 63 /* bytes in a session id */

struct stage;

/*
 * All may be NULL. What a handler does not answer is passed on.
 *
 * mail, rcpt, body, piece and end may call stage_answer(). MAIL can only be
 * refused (4xx, 5xx); the loop then answers the rest of the transaction. After
 * a refusal in body, piece or end the loop swallows what is left of the body,
 * tells the stages behind with RSET to forget it, and says the answer at LAST.
 *
 * body, piece and end are called only while the transaction has a recipient
 * that this stage took (answered 2xx) or passed on.
 *
 * A mail handler that refuses needs judges_sender.
 */
struct stage_handlers {
  bool judges_sender; /* mail may refuse: a source that knows that no stage
                         does need not wait for MAIL's answer */
  bool holds_body;    /* with piece: the loop passes no piece on; what is to go
                         on, piece and end put there with stage_write() */
  void (*client)(struct stage *);                    /* XCLIENT */
  void (*note)(struct stage *, struct note const *); /* XNOTE */
  void (*mail)(struct stage *, struct envelope_command const *);
  void (*rcpt)(struct stage *, struct envelope_command const *);
  void (*body)(struct stage *); /* before the first piece */
  void (*piece)(struct stage *, char const *bytes, size_t n);
  void (*end)(struct stage *);   /* all bytes seen, LAST not yet passed on */
  void (*reset)(struct stage *); /* a transaction is over, however it ended:
                                    drop what belongs to it. Called before each
                                    MAIL too; must not answer */
};

/* What handlers may read. The loop owns it. */
struct stage {
  void *state;          /* the program's own, from stage_run() */
  struct client client; /* who the client is; all empty before XCLIENT */
  char session[STAGE_SESSION_MAX + 1]; /* XNOTE session=, or empty */
  bool in_transaction;                 /* MAIL seen: a note is the
                                          transaction's, else the session's */
  unsigned int taken;                  /* recipients this stage answered 2xx */
  unsigned int passed;                 /* recipients it passed on */
  struct stage_loop *loop;             /* private */
};

/* Run until end of file. Returns an exit code (exitcode.h): 0 at end of file,
 * 111 after an error, which it has logged. Call it once. */
int stage_run(struct stage_handlers const *handlers, void *state);

/*
 * Answer the command in hand: "250 2.1.5 ok", or "!550 ..." to hang up. Text
 * over 500 bytes is cut; bytes outside printable ASCII become "?". A second
 * call for one command replaces the first.
 */
void stage_answer(struct stage *stage, char const *answer);

/* In rcpt: pass the command on with " NAME" or " NAME=value" after it. Both
 * must be without blanks. */
void stage_parameter(struct stage *stage, char const *name, char const *value);

/* In body, piece or end: put n bytes into the message that is passed on, at
 * this place. Nothing happens if no recipient was passed on. */
void stage_write(struct stage *stage, char const *bytes, size_t n);

/* Send "XNOTE key=value" down the pipeline, at this place. */
void stage_note(struct stage *stage, char const *key, char const *value);

/* For log lines: " session=..." of the present session. */
struct log;
void stage_log(struct stage const *stage, struct log *log, char const *event);

#endif
