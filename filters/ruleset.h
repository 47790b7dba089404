/*
 * The rules of a rule file: from its compiled form FILE.cdb where that was
 * made from the text as it is now, else from the text.
 */
#ifndef TRAPLINE_FILTERS_RULESET_H
#define TRAPLINE_FILTERS_RULESET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "filters/rule.h"
#include "filters/ruleimage.h"
#include "filters/ruleregex.h"
#include "lib/rulecdb.h"

#define RULESET_PATH_MAX 4000 /* bytes in a rule file's path */
#define RULESET_CDB_SUFFIX ".cdb"

struct ruleset_regex {
  pcre2_code const *code;
  struct ruleimage_line line;
  char const *text; /* of the line: in the record */
};

struct ruleset {
  char const *file; /* the caller's */
  struct ruleimage_reporter reporter;
  struct rulecdb database;
  char *image; /* made from the text, or NULL: in the file database.fd */
  struct ruleimage_head head;
  char *record; /* the head's */
  pcre2_code **code;
  struct ruleset_regex *regex;
  struct ruleregex matcher;
};

/* The rule that decides. */
struct ruleset_hit {
  uint32_t number; /* of its line */
  size_t line_bytes;
  char line[RULE_LINE_MAX];
  struct rule rule;
};

/*
 * Load the rules of a file (its path is kept, not copied). Tells the reporter:
 * rules that cannot be used, why the compiled form is not used where it is
 * there, and that no rule is left. 1, or 0 with errno if the text cannot be
 * read (ENOENT, EINVAL for what is no regular file...) or memory is short.
 */
int ruleset_load(struct ruleset *set, char const *file,
                 struct ruleimage_reporter const *reporter);
void ruleset_free(struct ruleset *set);

/*
 * Find the first rule for a mailbox as address_mailbox() gives it: n bytes, at
 * is the offset of the @ before the domain, or n. Tells the reporter what
 * passed a limit, and of a compiled form found damaged; the text then takes
 * its place. 1: *hit is the rule; 0: none; -1 with errno: cannot be told.
 */
int ruleset_find(struct ruleset *set, char const *mailbox, size_t n, size_t at,
                 struct ruleset_hit *hit);

/* Read a rule file's text; *status is that of the file read. The text, of
 * status->st_size bytes, is the caller's to free; NULL: errno as
 * ruleset_load(). */
char *ruleset_text(char const *file, struct stat *status);

#endif
