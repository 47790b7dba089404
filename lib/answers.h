/*
 * What comes out of a pipeline's last stage, taken apart: lines, and the
 * bodies that nobody took, which are skipped. Pure.
 */
#ifndef TRAPLINE_LIB_ANSWERS_H
#define TRAPLINE_LIB_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/command.h"

struct answers {
  uint64_t skip; /* bytes of a body still to come */
  bool last;     /* of that body: it ends the message */
  bool reported; /* the line was handed out: the next call drops it */
  size_t used;
  char line[COMMAND_LINE_MAX];
};

enum answers_result {
  ANSWERS_MORE, /* all bytes taken, nothing to report */
  ANSWERS_LINE, /* line[0..used-1] is a line; next call drops it */
  ANSWERS_LAST, /* a whole message came out: nobody answered its LAST */
  ANSWERS_BAD,  /* no stream: a line too long, a bad BDAT count */
};

void answers_start(struct answers *answers);

/* Take bytes until there is something to report; *taken is how many. BDAT
 * lines are not reported. */
enum answers_result answers_feed(struct answers *answers, char const *bytes,
                                 size_t n, size_t *taken);

#endif
