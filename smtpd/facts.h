/* Facts about the connection: notes for the pipeline that the programs before
 * trap-smtpd leave in the environment, and those that the session finds out. */
#ifndef TRAPLINE_SMTPD_FACTS_H
#define TRAPLINE_SMTPD_FACTS_H

#include <stddef.h>

#define FACTS_MAX 3584 /* bytes of XNOTE lines */

/* Lines "XNOTE key=value", each with its LF. All zero: none. */
struct facts {
  size_t used;
  char lines[FACTS_MAX];
};

/* Add one; one that has a key already is another line, and the last one counts.
 * 1; or 0 if the key is none (command.h), is one of trap-smtpd's own, or there
 * is no room. */
int facts_add(struct facts *facts, char const *key, char const *value);

/* Add what the environment has: XNOTE_key=value. */
void facts_of_environment(struct facts *facts);

#endif
