/*
 * The client's connection: lines and bytes in, replies out, every wait under
 * a deadline. What was said is sent when more input is needed, so the replies
 * to the commands of one packet leave in one packet.
 *
 * Once a call has failed, the connection is over: status says why, and every
 * later call fails at once.
 */
#ifndef TRAPLINE_SMTPD_WIRE_H
#define TRAPLINE_SMTPD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtpd/transcript.h"

#define WIRE_INPUT_BYTES 262144 /* room for what is put back */
#define WIRE_OUTPUT_BYTES 4096  /* a pipe takes as much in one piece */
#define WIRE_REPLY_MAX 512      /* RFC 5321 section 4.5.3.1.5 */

enum wire_status {
  WIRE_OPEN,
  WIRE_EOF,        /* the client closed it */
  WIRE_ERROR,      /* reset by peer and the like */
  WIRE_IDLE,       /* idle_ms passed */
  WIRE_EXPIRED,    /* session_ms passed */
  WIRE_TERMINATED, /* SIGTERM, and no command in hand */
};

struct wire {
  int in, out;
  int alarm;     /* also watched in every wait for the client; -1: none */
  bool alarmed;  /* it became readable, and is not watched any more */
  bool pressed;  /* others wait for what the session holds */
  bool ready;    /* input is known to be there */
  bool closing;  /* wire_close() was called */
  bool too_long; /* what comes is the rest of a line that is dropped */
  enum wire_status status;
  int64_t idle_ms;               /* the longest wait for one command or piece */
  int64_t expires_ms;            /* when the session has to be over */
  uint64_t bytes_read;           /* in all */
  struct transcript *transcript; /* NULL: none is kept */
  size_t line_max;               /* bytes in a command line with its end */
  size_t begin, end;             /* of what was read and not taken yet */
  size_t output_used;
  char output[WIRE_OUTPUT_BYTES];
  char input[WIRE_INPUT_BYTES];
};

/* Start on two descriptors (left blocking, for others share them), and take
 * SIGTERM from here on. session_ms from now. */
void wire_init(struct wire *wire, int in, int out, int64_t session_ms);

/* Watch another descriptor, or -1. Until wire_watch() is called once more, or
 * alarmed is set to false, nothing is read once it has become readable. */
void wire_watch(struct wire *wire, int fd);

/* Look whether it is readable, without a wait: for who has no reason to wait.
 */
void wire_heed(struct wire *wire);

/* Whether SIGTERM has come, since the first wire of this process started. */
bool wire_is_terminated(void);

enum wire_line {
  WIRE_LINE,
  WIRE_LINE_TOO_LONG, /* it was read to its end and dropped */
  WIRE_LINE_TLS,      /* no line: a TLS handshake record */
  WIRE_LINE_ALARM,    /* no line yet: see alarmed */
  WIRE_LINE_FAILED,   /* see status */
};

/* The next command line, without its CRLF or LF, which is behind it; in the
 * input buffer, valid until the next call. Of one that is too long its end.
 * SIGTERM ends the wait for one. */
enum wire_line wire_line(struct wire *wire, char **line, size_t *n);

/* Whether a whole line has been read already: the client has sent more. */
bool wire_has_line(struct wire const *wire);

/* Whether anything was read and not taken. */
bool wire_has_input(struct wire const *wire);

/* What was read and not taken: waits for at least one byte. Take with
 * wire_take(). 0 if it failed, or if alarmed. */
size_t wire_piece(struct wire *wire, char const **bytes);
void wire_take(struct wire *wire, size_t n);

/* Whether a piece has to come by way of the input buffer: some was read and not
 * taken, or a transcript is kept. Else it can be read at once into what is the
 * caller's: wire_read() waits for at least one byte; 0 as above. What is behind
 * the body wire_unread() puts back. */
bool wire_reads_ahead(struct wire const *wire);
size_t wire_read(struct wire *wire, char *bytes, size_t n);
void wire_unread(struct wire *wire, char const *bytes, size_t n);

/* Drop what was read and not taken, and what else has come by now, a buffer
 * full at most; it stays readable until the next call. Returns its length. */
size_t wire_purge(struct wire *wire, char const **bytes);

/* Send what was said and wait at most milliseconds for input. Whether some is
 * there, or the connection failed; false if the alarm is. */
bool wire_ready(struct wire *wire, int milliseconds);

/* Say text, a line without its CRLF, cut to WIRE_REPLY_MAX. */
void wire_say(struct wire *wire, char const *text);

/* Send what was said as far as the client takes it without a wait. false: he
 * does not take all of it. */
bool wire_push(struct wire *wire);

/* Send what was said. 1 or 0. */
int wire_flush(struct wire *wire);

/* Send what was said and close. linger: so that the client can read it even if
 * it sends more than was read; bounded in time and bytes. */
void wire_close(struct wire *wire, bool linger);

#endif
