/* What a filter does with what it finds: it refuses, or with -n NAME it notes.
 */
#ifndef TRAPLINE_FILTERS_POLICY_H
#define TRAPLINE_FILTERS_POLICY_H

#include <stdbool.h>

struct stage;

struct policy {
  char const *note;   /* NULL: refuse */
  char const *answer; /* the default, or what -a says */
  bool seen_answer;
};

/* Take the option -n (a note's name) or -a (a 4xx or 5xx answer). Whether it is
 * one of them. */
bool policy_option(struct policy *policy, int option, char const *text);

/* Whether the options go together: -a says nothing where -n notes. */
bool policy_is_sound(struct policy const *policy);

/* Note or refuse the recipient in hand, or refuse the sender, and say so in the
 * log: "refused session=... key=value", or "noted". */
void policy_apply(struct policy const *policy, struct stage *stage,
                  char const *key, char const *value);

/* The answer to what cannot be told now, after a line in the log with errno. */
void policy_fail(struct stage *stage, char const *file);

#endif
