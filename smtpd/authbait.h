/*
 * AUTH as bait: whoever tries names and passwords is heard, and answered as
 * control/authbait says.
 */
#ifndef TRAPLINE_SMTPD_AUTHBAIT_H
#define TRAPLINE_SMTPD_AUTHBAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "smtpd/authtext.h"

#define AUTHBAIT_KEPT 9 /* tries that are kept */

struct session;

enum authbait_step {
  AUTHBAIT_IDLE,
  AUTHBAIT_PLAIN, /* the next line is the answer to AUTH PLAIN */
  AUTHBAIT_USER,  /* ... to the question for a name */
  AUTHBAIT_SECRET /* ... for a password */
};

struct authbait {
  enum authbait_step step;
  unsigned int tries;
  bool accepted;
  char user[AUTHTEXT_MAX + 1];
};

/* Whether it can be tried now. */
bool authbait_offered(struct session const *session);

/* The command AUTH with its argument. */
void authbait_begin(struct session *session, char const *argument, size_t n);

/* The line that a step waits for. */
void authbait_line(struct session *session, char const *line, size_t n);

#endif
