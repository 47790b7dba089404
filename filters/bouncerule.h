/* What tells bounces and automatic replies from other mail. Pure. The rules
 * are in discard-bounce(8). */
#ifndef TRAPLINE_FILTERS_BOUNCERULE_H
#define TRAPLINE_FILTERS_BOUNCERULE_H

#include <stdbool.h>

#include "filters/header.h"
#include "lib/address.h"

#define BOUNCERULE_ALL (~0U)

/* Whether this is who bounces come from: nobody, or mailer-daemon or
 * postmaster of any domain. */
bool bouncerule_is_daemon(struct address const *sender);

/* Read names of rules, a comma between them, into a set. 1, or 0 if one of
 * them is no rule. */
int bouncerule_set(char const *names, unsigned int *set);

/* The name of the first rule of the set that the message meets; NULL if there
 * is none. */
char const *bouncerule_find(struct header const *header, bool from_daemon,
                            unsigned int set);

#endif
