#include "smtpd/recording.h"

#include <string.h>

#include "smtpd/session.h"

static bool
is_kept(struct session const *session)
{
  return session->wire.transcript != NULL;
}

void
recording_begin(struct session *session)
{
  struct config const *config = &session->config;
  struct recording *self = &session->recording;
  if (!config->evidence)
    return;
  transcript_start(&self->transcript, config->evidence, session->id,
                   config->evidence_max);
  dialect_start(&self->dialect, config->me, session->client.destaddr);
  session->wire.transcript = &self->transcript;
}

/* What the line's end has behind its n bytes. */
static size_t
with_end(char const *line, size_t n)
{
  return n + (line[n] == '\r' ? 2 : 1);
}

void
recording_command(struct session *session, char const *line, size_t n)
{
  if (is_kept(session))
    dialect_command(&session->recording.dialect, line, with_end(line, n),
                    wire_has_input(&session->wire));
}

void
recording_long_line(struct session *session, char const *line, size_t n)
{
  if (is_kept(session))
    dialect_long_line(&session->recording.dialect, line, with_end(line, n));
}

/* Once in a session. */
static void
complain(struct session *session)
{
  struct recording *self = &session->recording;
  struct log log;
  if (!self->transcript.error || self->complained)
    return;
  self->complained = true;
  session_log(session, &log, "error: no evidence kept");
  log_string(&log, "directory", session->config.evidence);
  log_string(&log, "error", strerror(self->transcript.error));
  log_write(&log);
}

void
recording_keep(struct session *session)
{
  transcript_keep(session->wire.transcript);
  if (is_kept(session))
    complain(session);
}

void
recording_body(struct session *session)
{
  struct recording *self = &session->recording;
  if (is_kept(session))
    dialect_format(&self->dialect, false, self->spoken);
}

static void
tell(struct session *session, char const *key, char const *value)
{
  struct pipeline *pipeline = &session->pipeline;
  char line[sizeof "XNOTE evidence=\n" + sizeof session->id + DIALECT_MAX];
  char *end = stpcpy(stpcpy(stpcpy(stpcpy(line, "XNOTE "), key), "="), value);
  *end++ = '\n';
  pipeline_put(pipeline, line, (size_t)(end - line));
}

void
recording_tell(struct session *session, bool first, bool last)
{
  struct recording *self = &session->recording;
  if (!is_kept(session))
    return;
  if (last)
    transcript_flush(&self->transcript);
  complain(session);
  if (!first)
    return;
  tell(session, "dialect", self->spoken);
  if (!self->transcript.error)
    tell(session, "evidence", session->id);
}

void
recording_next(struct session *session)
{
  if (is_kept(session))
    dialect_next(&session->recording.dialect);
}

void
recording_log(struct session const *session, struct log *log, bool all)
{
  struct recording const *self = &session->recording;
  char text[DIALECT_MAX + 1];
  if (!is_kept(session))
    return;
  if (all)
    dialect_format(&self->dialect, true, text);
  log_string(log, "dialect", all ? text : self->spoken);
}

void
recording_end(struct session *session)
{
  transcript_end(session->wire.transcript, session->why);
  if (is_kept(session))
    complain(session);
}
