#include "filters/ruleregex.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

/* Bytes are matched, whatever a pattern says: PCRE2_NEVER_UTF. */
#define OPTIONS (PCRE2_CASELESS | PCRE2_NEVER_UTF)
#define LOOK_EVERY 64 /* callouts */

pcre2_code *
ruleregex_compile(char const *pattern, size_t n, char *problem)
{
  int error;
  PCRE2_SIZE offset;
  PCRE2_UCHAR text[RULEREGEX_PROBLEM_MAX - 40];
  /* Callouts make a code some four times as large, and there is a limit. */
  pcre2_code *code =
      pcre2_compile((PCRE2_SPTR)pattern, n, OPTIONS | PCRE2_AUTO_CALLOUT,
                    &error, &offset, NULL);
  if (!code)
    code =
        pcre2_compile((PCRE2_SPTR)pattern, n, OPTIONS, &error, &offset, NULL);
  if (code)
    return code;
  pcre2_get_error_message(error, text, sizeof text);
  snprintf(problem, RULEREGEX_PROBLEM_MAX, "%s at offset %zu",
           (char const *)text, (size_t)offset);
  return NULL;
}

/* Before each item of a pattern. The match limit is for each place of the
 * subject, and a step may pass over all of that. */
static int
on_callout(pcre2_callout_block *block, void *data)
{
  struct ruleregex *regex = data;
  (void)block;
  if (++regex->callouts % LOOK_EVERY || !ruleregex_is_late(regex))
    return 0;
  return PCRE2_ERROR_CALLOUT;
}

int
ruleregex_init(struct ruleregex *regex)
{
  regex->data = pcre2_match_data_create(1, NULL);
  regex->context = pcre2_match_context_create(NULL);
  if (!regex->data || !regex->context) {
    ruleregex_free(regex);
    errno = ENOMEM;
    return 0;
  }
  pcre2_set_match_limit(regex->context, RULEREGEX_MATCH_LIMIT);
  pcre2_set_depth_limit(regex->context, RULEREGEX_DEPTH_LIMIT);
  pcre2_set_heap_limit(regex->context, RULEREGEX_HEAP_LIMIT);
  pcre2_set_callout(regex->context, on_callout, regex);
  return 1;
}

void
ruleregex_free(struct ruleregex *regex)
{
  pcre2_match_data_free(regex->data);
  pcre2_match_context_free(regex->context);
}

static uint64_t
now_ms(clockid_t id)
{
  struct timespec now;
  clock_gettime(id, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
ruleregex_begin(struct ruleregex *regex)
{
  regex->wall_ms = now_ms(CLOCK_MONOTONIC_COARSE);
  regex->cpu_ms = now_ms(CLOCK_PROCESS_CPUTIME_ID);
}

/* The coarse clock costs no system call; the other one tells a slow regex from
 * a busy machine. */
bool
ruleregex_is_late(struct ruleregex const *regex)
{
  return now_ms(CLOCK_MONOTONIC_COARSE) - regex->wall_ms > RULEREGEX_CPU_MS &&
         now_ms(CLOCK_PROCESS_CPUTIME_ID) - regex->cpu_ms > RULEREGEX_CPU_MS;
}

int
ruleregex_match(struct ruleregex *regex, pcre2_code const *code,
                char const *subject, size_t n, char const **problem)
{
  int r = pcre2_match(code, (PCRE2_SPTR)subject, n, 0, 0, regex->data,
                      regex->context);
  if (r >= 0)
    return 1;
  switch (r) {
  case PCRE2_ERROR_NOMATCH:
    return 0;
  case PCRE2_ERROR_CALLOUT:
    *problem = "time limit";
    return -1;
  case PCRE2_ERROR_MATCHLIMIT:
    *problem = "match limit";
    return -1;
  case PCRE2_ERROR_DEPTHLIMIT:
    *problem = "depth limit";
    return -1;
  case PCRE2_ERROR_HEAPLIMIT:
    *problem = "heap limit";
    return -1;
  case PCRE2_ERROR_RECURSELOOP:
    *problem = "endless recursion";
    return -1;
  default:
    *problem = "out of memory";
    return -1;
  }
}
