/* STARTTLS, RFC 3207: the client's socket goes to trap-tlsd, and the session
 * goes on in clear text on the one that comes back. */
#include "smtpd/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/tlsborrow.h"

void
starttls_begin(struct session *session)
{
  session->tls = getenv("XNOTE_tls.version") != NULL;
  if (session->tls)
    transcript_tls(session->wire.transcript);
  starttls_protocol(session, false);
}

bool
starttls_offered(struct session const *session)
{
  return session->config.tls[0] && !session->tls;
}

void
starttls_protocol(struct session *session, bool extended)
{
  char *end = stpcpy(session->client.proto, extended ? "ESMTP" : "SMTP");
  if (session->tls)
    end = stpcpy(end, "S");
  if (extended && session->auth.accepted)
    strcpy(end, "A");
  session->said_client = false;
}

static void
say_away(struct session *session)
{
  int reason = errno;
  struct log log;
  session_log(session, &log, "error: no TLS service");
  log_string(&log, "socket", session->config.tls);
  log_string(&log, "error", strerror(reason));
  log_write(&log);
  session_say_junk(session, "454 4.7.0 TLS not available now");
}

/* What came in clear text must not count as said under TLS. */
static void
purge(struct session *session)
{
  struct log log;
  char const *bytes;
  size_t n = wire_purge(&session->wire, &bytes);
  if (!n)
    return;
  session_log(session, &log, "warning: input after STARTTLS dropped");
  log_number(&log, "bytes", n);
  log_said(&log, "text", bytes, n);
  log_write(&log);
  facts_add(&session->facts, "tls.injected", "1");
}

/* The client spoke TLS, text being the facts: forget all that he said before.
 */
static void
start_again(struct session *session, char *text)
{
  struct log log;
  char *key, *value;
  session->tls = true;
  transcript_tls(session->wire.transcript);
  session->client.helo[0] = 0;
  starttls_protocol(session, false);
  session_log(session, &log, "tls");
  while (tlsborrow_fact(&text, &key, &value)) {
    facts_add(&session->facts, key, value);
    log_string(&log, key, value);
  }
  log_write(&log);
}

static void
fail(struct session *session, char const *reason)
{
  struct log log;
  session_log(session, &log, "TLS handshake failed");
  log_string(&log, "error", reason);
  session_log_names(session, &log);
  log_write(&log);
  session_hang_up(session, "handshake", NULL);
}

static void
hand_over(struct session *session, int service)
{
  char text[TLS_TEXT_MAX + 1];
  int fd = tlsborrow_handshake(service, session->wire.in, text);
  if (fd < 0) {
    fail(session, text);
    return;
  }
  dup2(fd, session->wire.in);
  dup2(fd, session->wire.out);
  close(fd);
  start_again(session, text);
}

void
starttls(struct session *session, size_t argument_bytes)
{
  session_settle(session);
  if (session->why)
    return;
  if (!session->config.tls[0]) {
    session_say_junk(session, "500 5.5.2 Command not recognized");
    return;
  }
  if (session->tls || argument_bytes) {
    session_say_junk(session, session->tls ? "503 5.5.1 TLS already active"
                                           : "501 5.5.4 Syntax: STARTTLS");
    return;
  }
  int service = tlsborrow_connect(session->config.tls);
  if (service < 0) {
    say_away(session);
    return;
  }
  /* A handshake takes as long as the client likes: no pipeline waits for it. */
  session_reset(session);
  pipeline_end(&session->pipeline);
  wire_watch(&session->wire, -1);
  session_put(session, "220 2.0.0 Ready to start TLS");
  purge(session);
  if (wire_flush(&session->wire))
    hand_over(session, service);
  else
    close(service);
}
