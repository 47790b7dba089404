/*
 * Replies in the words of another mail server; trapline-control(5).
 */
#ifndef TRAPLINE_SMTPD_PERSONA_H
#define TRAPLINE_SMTPD_PERSONA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERSONA_RULES_MAX 200
#define PERSONA_TEXT_MAX 4096 /* bytes in a reply, all its lines */

/* What is said in place of a reply that begins with ours, where the context is
 * this command's name, "none", "nohelo", "connect", "body", "LAST" or anything
 * ("*"). */
struct persona_rule {
  char const *context, *ours, *theirs;
};

struct persona {
  size_t rules;
  struct persona_rule rule[PERSONA_RULES_MAX];
};

/* What $variables stand for. Texts are from anywhere; NULL: nothing. */
struct persona_facts {
  char const *me, *helo, *ip, *from, *to;
  char const *argument; /* argument_bytes; of the command */
  size_t argument_bytes;
  uint64_t size_max; /* of a message */
  uint64_t bytes;    /* of the message in hand, as sent */
  bool starttls;     /* can be had now */
  bool auth;         /* likewise */
  uint64_t number;   /* of the message, another for each */
};

/* Read control/persona and the file that it names. *persona: NULL where there
 * is none. 1, or 0 and control_error() says why; to be freed in both cases. */
int persona_read(struct persona **persona);
void persona_free(struct persona *persona);

/* The rule for this reply; NULL: it is said as it is. */
struct persona_rule const *persona_find(struct persona const *persona,
                                        char const *context, char const *reply);

/*
 * What the rule says instead of the reply, into out (room for
 * PERSONA_TEXT_MAX): lines of printable ASCII with their codes, each ended by a
 * NUL, an empty one behind the last.
 */
void persona_expand(struct persona_rule const *rule, char const *reply,
                    struct persona_facts const *facts, char *out);

#endif
