/*
 * One line of a rule file, as rcptcheck(8) specifies it: PATTERN CODE TEXT.
 * Pure.
 */
#ifndef TRAPLINE_FILTERS_RULE_H
#define TRAPLINE_FILTERS_RULE_H

#include <stddef.h>

#include "lib/envelope.h"

#define RULE_LINE_MAX 4096 /* bytes in a line, LF not counted */
#define RULE_NOTE_MAX ENVELOPE_NOTE_MAX
#define RULE_NOTES_MAX 6 /* different notes on one rule */
#define RULE_ANSWER_MAX 512

enum rule_kind {
  RULE_ADDRESS, /* one mailbox */
  RULE_DOMAIN,  /* @domain */
  RULE_TREE,    /* @.domain: it and all below */
  RULE_REGEX,
};

enum rule_code {
  RULE_OK,
  RULE_DENY,
  RULE_DENYSOFT,
  RULE_DENY_DISCONNECT,
  RULE_DENYSOFT_DISCONNECT,
  RULE_DECLINED,
};

struct rule {
  enum rule_kind kind;
  enum rule_code code;
  size_t key_bytes;
  char key[RULE_LINE_MAX + 1];  /* the mailbox as address_mailbox() has it, the
                                   domain likewise, or the regex without its
                                   slashes; NUL-terminated */
  char text[RULE_LINE_MAX + 1]; /* TEXT without its notes; may be empty */
  size_t notes;
  char note[RULE_NOTES_MAX][RULE_NOTE_MAX + 1];
};

enum rule_result { RULE_NONE, RULE_READ, RULE_BAD };

/*
 * Read a line of n bytes, without its LF. RULE_NONE: blank, or a comment.
 * RULE_BAD: *problem says why in a few words (static); *rule is undefined.
 * Whether a regex compiles is not looked at.
 */
enum rule_result rule_parse(char const *line, size_t n, struct rule *rule,
                            char const **problem);

/* The line without blanks at either end: what an operator is shown. Returns
 * where it begins in line, and sets *n. */
char const *rule_trim(char const *line, size_t *n);

/* The name of a code, as in the file. */
char const *rule_code_name(enum rule_code code);

/*
 * What a refused recipient hears: "550 5.1.1 text", with a ! before it for
 * the codes that disconnect. out has room for RULE_ANSWER_MAX bytes; a longer
 * answer is cut. 0 if the code does not refuse.
 */
int rule_answer(struct rule const *rule, char *out);

#endif
