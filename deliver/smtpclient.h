/* Who the client is, as Postfix's XCLIENT and XFORWARD commands say it. Pure.
 */
#ifndef TRAPLINE_DELIVER_SMTPCLIENT_H
#define TRAPLINE_DELIVER_SMTPCLIENT_H

#include <stddef.h>

#include "lib/client.h"

#define SMTPCLIENT_LINES_MAX 10
#define SMTPCLIENT_LINE_MAX 512 /* bytes in a command, CRLF counted */

struct smtpclient {
  size_t count;
  size_t used; /* of the last line */
  char line[SMTPCLIENT_LINES_MAX][SMTPCLIENT_LINE_MAX + 1];
};

/* The commands, for the attributes in offered, which has blanks around each;
 * what is not known, or too long for a line, is [UNAVAILABLE]. */
void smtpclient_xclient(struct smtpclient *lines, char const *offered,
                        struct client const *client);
void smtpclient_xforward(struct smtpclient *lines, char const *offered,
                         struct client const *client, char const *ident);

#endif
