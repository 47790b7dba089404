/*
 * The body of a message as it comes over the wire, turned into the form in
 * which it is stored: CRLF becomes LF, and nothing else changes but, in DATA,
 * the dot that starts a line (RFC 5321 section 4.5.2). Only CR LF . CR LF ends
 * DATA; a bare CR, a bare LF and a NUL are content wherever they stand. Pure.
 */
#ifndef TRAPLINE_SMTPD_DOT_H
#define TRAPLINE_SMTPD_DOT_H

#include <stdbool.h>
#include <stddef.h>

enum dot_state {
  DOT_LINE_START, /* after CRLF, and at the start of DATA */
  DOT_LINE,
  DOT_CR,     /* a CR is held back */
  DOT_DOT,    /* a dot that starts a line was dropped */
  DOT_DOT_CR, /* the same, then a CR held back */
  DOT_END,    /* the end was seen */
};

/* How many bytes a call can give beyond those it is given: the CR held back.*/
#define DOT_HELD_MAX 1

/* Output may be in one room with the input, if it is so far in front of it when
 * a body starts, and the room for each call is behind what was made before. */
#define DOT_AHEAD 32

/*
 * DATA: decode n bytes into out, which has room for n + DOT_HELD_MAX. Start
 * with *state = DOT_LINE_START. Returns how many bytes of in were taken: all
 * of them, or, when *state becomes DOT_END, those up to the end. *made: bytes
 * put into out.
 */
size_t dot_decode(enum dot_state *state, char const *in, size_t n, char *out,
                  size_t *made);

/*
 * BDAT: the same without dots and end; all of in is taken. Start with *state =
 * DOT_LINE. Returns the bytes put into out. After the last piece, if *state is
 * DOT_CR, a CR is still to come: dot_flush() says so.
 */
size_t dot_newlines(enum dot_state *state, char const *in, size_t n, char *out);

/* The CR held back at the end of BDAT data: puts it into out, returns 0 or 1.*/
size_t dot_flush(enum dot_state *state, char *out);

#endif
