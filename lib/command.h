/*
 * One line of the stream, taken apart. Pure.
 * The grammar is trapline-stream(7).
 */
#ifndef TRAPLINE_LIB_COMMAND_H
#define TRAPLINE_LIB_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/address.h"

#define COMMAND_LINE_MAX 8192       /* bytes in a line, its LF counted */
#define COMMAND_PARAMETERS_MAX 32   /* on one MAIL or RCPT */
#define COMMAND_NOTE_KEY_MAX 32     /* bytes in an XNOTE key */
#define COMMAND_NOTE_VALUE_MAX 1024 /* bytes in an XNOTE value, decoded */

enum verb {
  VERB_OTHER,  /* no verb of ours: passed on */
  VERB_ANSWER, /* "ddd text" or "!ddd text" */
  VERB_XCLIENT,
  VERB_XNOTE,
  VERB_MAIL,
  VERB_RCPT,
  VERB_BDAT,
  VERB_RSET,
};

/* One esmtp-param. Both point into the line. */
struct parameter {
  char const *key;
  size_t key_bytes;
  char const *value; /* NULL if there is no "=" */
  size_t value_bytes;
};

/* A MAIL or RCPT command. */
struct envelope_command {
  struct address address;
  size_t parameters;
  struct parameter parameter[COMMAND_PARAMETERS_MAX];
};

struct note {
  char key[COMMAND_NOTE_KEY_MAX + 1];
  char value[COMMAND_NOTE_VALUE_MAX + 1];
  size_t value_bytes;
};

/* The verb of a line of n bytes without its LF; *rest is the offset of what
 * follows the verb and its blanks. An answer's rest is 0. */
enum verb command_verb(char const *line, size_t n, size_t *rest);

/*
 * Read what follows MAIL or RCPT: "FROM:<path> params" for VERB_MAIL,
 * "TO:<path> params" for VERB_RCPT, the path as address.h says. 1, or 0 if it
 * is malformed, has too many parameters, or is RCPT TO:<>.
 */
int command_envelope(enum verb verb, char const *text, size_t n,
                     enum address_mode mode, struct envelope_command *command);

/*
 * Read esmtp-params: blank-separated keyword[=value], keyword of letters,
 * digits and hyphens, value without control characters. 1 or 0 as above.
 */
int command_parameters(char const *text, size_t n,
                       struct envelope_command *command);

/* The nth (from 0) parameter with this key, any case; NULL if there is none. */
struct parameter const *
command_parameter(struct envelope_command const *command, char const *key,
                  size_t nth);

/* Read what follows BDAT: a count of 1 to 18 digits, and LAST or nothing.
 * 1 or 0. */
int command_bdat(char const *text, size_t n, uint64_t *bytes, bool *last);

/* Read what follows XNOTE: key=value, key of a-z 0-9 . _ and -, value xtext
 * without LF or NUL. 1 or 0. */
int command_note(char const *text, size_t n, struct note *note);

/* 1 if the text is an answer: three digits, the first 2 to 5, then a blank or
 * the end; a ! may stand before. */
int command_is_answer(char const *line, size_t n);

#endif
