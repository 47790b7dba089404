/*
 * A connection to an SMTP server: bytes out and replies in, each within a time
 * limit. After a failure it is closed, and error says why; two functions, which
 * say so, leave that to the caller.
 */
#ifndef TRAPLINE_LIB_SMTPWIRE_H
#define TRAPLINE_LIB_SMTPWIRE_H

#include <stdbool.h>
#include <stddef.h>

#define SMTPWIRE_REPLY_MAX 500 /* bytes kept of a reply's line */
#define SMTPWIRE_LINE_MAX 2048 /* bytes in a line of a reply, CRLF counted */
#define SMTPWIRE_LINES_MAX 100 /* in a reply */
#define SMTPWIRE_BUFFER 32768
#define SMTPWIRE_HOST_MAX 255

struct smtptls;

struct smtpwire {
  int fd;              /* -1: closed */
  struct smtptls *tls; /* NULL: in clear */
  short wants;         /* what a read or write that has to wait waits for */
  unsigned int limit_s;
  char const *error;
  size_t from, to; /* of what was read and not yet looked at */
  size_t used;     /* of what waits to be written */
  char in[SMTPWIRE_LINE_MAX];
  char out[SMTPWIRE_BUFFER];
};

/* Connect to an absolute path (a Unix socket) or HOST:PORT. 0 or -1. */
int smtpwire_connect(struct smtpwire *wire, char const *target);

/* Go on with TLS; smtptls_new(). The server may have said nothing that was not
 * yet read. 0 or -1. */
int smtpwire_secure(struct smtpwire *wire, char const *target, bool verify);

/* Add n bytes to what is to be sent. 0 or -1. */
int smtpwire_put(struct smtpwire *wire, char const *bytes, size_t n);
int smtpwire_puts(struct smtpwire *wire, char const *text);

/* Send what is to be sent. 0 or -1. */
int smtpwire_flush(struct smtpwire *wire);

/*
 * Send what is to be sent and read one line of a reply, "ddd text" with its
 * control characters as ?, for patience times the time limit; reply has room
 * for SMTPWIRE_REPLY_MAX + 1 bytes. *more: it is not the last one. The code,
 * 200 to 599, or -1.
 */
int smtpwire_line(struct smtpwire *wire, char *reply, unsigned int patience,
                  bool *more);

/* The same for a whole reply, of which the last line is kept. */
int smtpwire_reply(struct smtpwire *wire, char *reply, unsigned int patience);

/* Whether the server has said something, or gone, while nothing was asked. */
bool smtpwire_stale(struct smtpwire *wire);

/* Send n bytes at once, behind nothing that was put. 0, or -1 with error: what
 * the server said before can still be heard. */
int smtpwire_write(struct smtpwire *wire, char const *bytes, size_t n);

enum smtpwire_heard {
  SMTPWIRE_LINE,
  SMTPWIRE_SILENT, /* the time limit has passed */
  SMTPWIRE_LOST,   /* see error */
};

/* Read a line, whatever is in it, without its CRLF or LF; valid until the next
 * call. Does not close. */
enum smtpwire_heard smtpwire_hear(struct smtpwire *wire, char const **line,
                                  size_t *n);

void smtpwire_close(struct smtpwire *wire);

#endif
