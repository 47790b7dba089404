/* XCLIENT, as Postfix has it: a proxy that control/xclient names says who the
 * client is. */
#include "smtpd/session.h"

#include <stdlib.h>

#include "lib/control.h"
#include "lib/network.h"

#define PEERS_MAX 1000

/* Whether control/xclient has the address; what is wrong is logged once. */
static bool
is_listed(struct session const *session)
{
  char *entry[PEERS_MAX + 1];
  struct network network;
  bool found = false;
  int n = control_list("xclient", entry, PEERS_MAX + 1);
  bool failed = n < 0;
  for (int i = 0; i < n && !failed; i++)
    if (network_scan(&network, entry[i]))
      found = found || network_has(&network, session->client.addr);
    else
      failed =
          control_invalid("xclient", "neither an address nor a network") < 0;
  if (n > 0)
    free(entry[0]);
  if (failed) {
    struct log log;
    session_log(session, &log, "error: no XCLIENT");
    log_string(&log, "error", control_error());
    log_write(&log);
  }
  return !failed && found;
}

bool
xclient_offered(struct session *session)
{
  if (session->xclient == XCLIENT_NOT_ASKED)
    session->xclient = session->config.xclient && is_listed(session)
                           ? XCLIENT_YES
                           : XCLIENT_NO;
  return session->xclient == XCLIENT_YES;
}

void
xclient(struct session *session, char const *argument, size_t n)
{
  struct client *client = &session->client, said = *client;
  struct log log;
  if (!xclient_offered(session)) {
    session_say_junk(session, "500 5.5.2 Command not recognized");
    return;
  }
  if (session->seen_mail) {
    session_say_junk(session, "503 5.5.1 Mail transaction in progress");
    return;
  }
  said.helo[0] = 0;
  if (!n || !client_update(argument, n, &said)) {
    session_say_junk(session, "501 5.5.4 Bad XCLIENT attributes");
    return;
  }
  session_reset(session);
  session_log(session, &log, "xclient");
  log_string(&log, "addr", said.addr);
  log_string(&log, "name", said.name);
  log_write(&log);
  *client = said;
  session->said_client = false;
  session_greet(session);
}
