/*
 * What control/evidence keeps of a session: its transcript and the client's
 * dialect. Without it every function does nothing, and costs no memory.
 */
#ifndef TRAPLINE_SMTPD_RECORDING_H
#define TRAPLINE_SMTPD_RECORDING_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/log.h"
#include "smtpd/dialect.h"
#include "smtpd/transcript.h"

struct session;

struct recording {
  bool complained;              /* the log has why there is no file */
  struct dialect dialect;       /* so far */
  char spoken[DIALECT_MAX + 1]; /* up to the body of the message in hand */
  struct transcript transcript;
};

/* The session begins; who the client is, is known. */
void recording_begin(struct session *session);

/* A command of n bytes, its line end behind it; the end of a line that is too
 * long. */
void recording_command(struct session *session, char const *line, size_t n);
void recording_long_line(struct session *session, char const *line, size_t n);

/* A message begins, or a password was tried: from here on there is a file. */
void recording_keep(struct session *session);

/* Its body begins: what its commands were is settled. */
void recording_body(struct session *session);

/* A piece of the body goes into the pipeline, which hears of the evidence
 * before the first one; before the last one, the transcript has it all. */
void recording_tell(struct session *session, bool first, bool last);

/* The message is over, and logged. */
void recording_next(struct session *session);

/* Add the dialect to a line of the log: of the message, or of all. */
void recording_log(struct session const *session, struct log *log, bool all);

/* The session is over. */
void recording_end(struct session *session);

#endif
