/* How a program is told the envelope, and what its exit code means:
 * deliver-command(8). */
#ifndef TRAPLINE_DELIVER_HANDOVER_H
#define TRAPLINE_DELIVER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/envelope.h"
#include "lib/spool.h"

enum handover {
  HANDOVER_DONE,
  HANDOVER_STOP,  /* done, and nobody else is to get the message */
  HANDOVER_NEVER, /* refused for good */
  HANDOVER_LATER,
};

/* is_queue: it is qmail-queue's exit code, else a command's. Pure. */
enum handover handover_result(int exit_code, bool is_queue);

/* Whether n bytes of an address may stand in the environment: letters, digits
 * and @._+=~/:[]!#%^- only, the first one no hyphen. Pure. */
bool handover_is_plain(char const *address, size_t n);

/* Take SENDER, RECIPIENT and RECIPIENTS out of the environment. */
void handover_forget(void);

/* Put them there, each address only if it is plain; out otherwise. */
void handover_environment(struct envelope const *envelope);

/* Write the envelope as qmail-queue reads it: F, sender, NUL; for each
 * recipient T, address, NUL; NUL. Quotes and backslashes of local parts are
 * resolved. 0 or -1. */
int handover_queue(struct envelope const *envelope, struct spool *spool);

#endif
