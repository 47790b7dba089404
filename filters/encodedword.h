/* Encoded words of RFC 2047. Pure. */
#ifndef TRAPLINE_FILTERS_ENCODEDWORD_H
#define TRAPLINE_FILTERS_ENCODEDWORD_H

#include <stddef.h>

/*
 * Decode the encoded word at the start of n bytes: =?charset?Q or B?text?=.
 * The decoded bytes, in whatever charset they are, go to out, which has room
 * for n bytes and may be where the word stands; *made is how many. Returns the
 * length of the word, or 0 if there is none here.
 */
size_t encodedword_decode(char const *text, size_t n, char *out, size_t *made);

#endif
