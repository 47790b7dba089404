/* The stages of a pipeline as the operator wrote them. */
#ifndef TRAPLINE_LIB_STAGELIST_H
#define TRAPLINE_LIB_STAGELIST_H

#define STAGELIST_WORDS_MAX 512 /* of all stages, the closing NULLs counted */

/*
 * Read the pipeline into stage, room for SPAWN_MAX argument vectors, and words,
 * room for STAGELIST_WORDS_MAX of theirs. command: its one stage as an argument
 * vector, or NULL: it is in control/pipeline, one stage a line, words parted by
 * blanks, a word with blanks in '...' or "...". Returns how many (at least 1),
 * or -1: control_error() says why. The words' text, which without a command is
 * one piece of memory, is to be kept as long as they, or free(stage[0][0]).
 */
int stagelist_read(char ***stage, char **words, char **command);

#endif
