/* One message judged by spamd. */
#ifndef TRAPLINE_FILTERS_SPAMD_H
#define TRAPLINE_FILTERS_SPAMD_H

#include <stdint.h>

#include "filters/daemon.h"
#include "filters/header.h"
#include "lib/spool.h"

#define SPAMD_PROBLEM 256 /* room for a problem */

struct spamd_verdict {
  int64_t score; /* in thousandths */
  char problem[SPAMD_PROBLEM];
  struct header header; /* the message's, as spamd would have it */
};

/* Read a score: a number with at most 9 digits before the point; more than
 * three behind it are cut. Returns its length; 0 if there is none. */
size_t spamd_score(char const *text, int64_t *thousandths);

/* Have spamd judge what is in the spool, in so many seconds. 1, or 0 and
 * problem says why; everything but a whole reply with a score is one. */
int spamd_judge(struct daemon *daemon, struct spool *spool,
                unsigned int seconds, struct spamd_verdict *verdict);

#endif
