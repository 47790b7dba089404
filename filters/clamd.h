/* One message scanned by clamd. */
#ifndef TRAPLINE_FILTERS_CLAMD_H
#define TRAPLINE_FILTERS_CLAMD_H

#include "filters/daemon.h"
#include "lib/spool.h"

#define CLAMD_REPLY_MAX 1023 /* bytes in a reply */
#define CLAMD_TEXT 1152      /* room for a text */

enum clamd_verdict { CLAMD_CLEAN, CLAMD_FOUND, CLAMD_FAILED };

/*
 * Have clamd judge what is in the spool, in so many seconds. text, room for
 * CLAMD_TEXT bytes: what clamd calls it, from clamd unescaped, for
 * CLAMD_FOUND; what went wrong for CLAMD_FAILED. Everything but clamd's own
 * whole words is CLAMD_FAILED.
 */
enum clamd_verdict clamd_scan(struct daemon *daemon, struct spool *spool,
                              unsigned int seconds, char *text);

#endif
