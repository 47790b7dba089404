/* The stages of a pipeline as the operator wrote them. */
#ifndef TRAPLINE_LIB_STAGELIST_H
#define TRAPLINE_LIB_STAGELIST_H

#define STAGELIST_WORDS_MAX 512 /* of all stages, the closing NULLs counted */

/*
 * Read the pipeline into stage, room for SPAWN_MAX argument vectors. command:
 * its one stage as an argument vector, or NULL: it is in control/pipeline, one
 * stage a line, words parted by blanks, a word with blanks in '...' or "...".
 * Returns how many (at least 1), or -1: control_error() says why. What it gives
 * stays until the next call, but for the words' text, which without a command
 * is one piece of memory: free(stage[0][0]), or keep it.
 */
int stagelist_read(char ***stage, char **command);

#endif
