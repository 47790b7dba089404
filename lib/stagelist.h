/*
 * The stages of a pipeline as the operator wrote them. A list has holders: who
 * read it, and each pipeline that runs its stages, which may be older than the
 * list in use.
 */
#ifndef TRAPLINE_LIB_STAGELIST_H
#define TRAPLINE_LIB_STAGELIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/spawn.h"

#define STAGELIST_WORDS_MAX 512 /* of all stages, the closing NULLs counted */

struct stagelist {
  size_t stages;                    /* at least 1 */
  char **stage[SPAWN_MAX];          /* each an argument vector, */
  char *words[STAGELIST_WORDS_MAX]; /* with its words here, */
  char *text;                       /* and theirs here; NULL: of a command */
  size_t holders;
};

/*
 * Read the pipeline. command: its one stage as an argument vector, to be kept
 * by the caller, or NULL: it is in control/pipeline, one stage a line, words
 * parted by blanks, a word with blanks in '...' or "...". Returns a list with
 * one holder, or NULL: control_error() says why.
 */
struct stagelist *stagelist_read(char **command);

/* Read control/pipeline anew, if *list came from there, and hold the new list
 * in the place of *list. False after a log line: it cannot be read, and *list
 * stays. */
bool stagelist_renew(struct stagelist **list);

/* One holder more. Returns list. */
struct stagelist *stagelist_hold(struct stagelist *list);

/* One holder less; the last one frees it. NULL is allowed. */
void stagelist_drop(struct stagelist *list);

#endif
