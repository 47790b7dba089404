/*
 * The regexes of a rule file: PCRE2 on bytes, caseless, with limits such that
 * neither a pattern nor a subject can hold a session up.
 *
 * Not compiled to machine code: that costs 6 us a regex at each start and
 * saves some 20 ns on each try.
 */
#ifndef TRAPLINE_FILTERS_RULEREGEX_H
#define TRAPLINE_FILTERS_RULEREGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define RULEREGEX_MATCH_LIMIT 50000 /* steps from one place in the subject */
#define RULEREGEX_DEPTH_LIMIT 10000 /* nested backtracking points */
#define RULEREGEX_HEAP_LIMIT 2048   /* KiB */
#define RULEREGEX_CPU_MS 500        /* of matches since ruleregex_begin() */
#define RULEREGEX_PROBLEM_MAX 200

/* Compile a pattern of n bytes. NULL: problem, of RULEREGEX_PROBLEM_MAX bytes,
 * says why. Free with pcre2_code_free(). In a pattern that is nearly too large
 * (a{9999} and the like) nobody looks at the clock: it has the other limits. */
pcre2_code *ruleregex_compile(char const *pattern, size_t n, char *problem);

/* What matching needs beside the code. */
struct ruleregex {
  pcre2_match_data *data;
  pcre2_match_context *context;
  uint64_t wall_ms, cpu_ms; /* at ruleregex_begin() */
  unsigned int callouts;
};

/* 1, or 0 with ENOMEM. It must stay where it is. */
int ruleregex_init(struct ruleregex *regex);
void ruleregex_free(struct ruleregex *regex);

/* The matches that follow have RULEREGEX_CPU_MS together; who begins them has
 * another subject that a client sent. */
void ruleregex_begin(struct ruleregex *regex);

/* Whether that time is over. */
bool ruleregex_is_late(struct ruleregex const *regex);

/*
 * Is there a match anywhere in n bytes of subject? 1 or 0; -1 if a limit was
 * passed or matching failed: *problem says what (static).
 */
int ruleregex_match(struct ruleregex *regex, pcre2_code const *code,
                    char const *subject, size_t n, char const **problem);

#endif
