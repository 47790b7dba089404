/* Who is let in: a file that tcprules(1) of ucspi-tcp has made. */
#ifndef TRAPLINE_SMTPD_TCPRULES_H
#define TRAPLINE_SMTPD_TCPRULES_H

#define TCPRULES_DATA_MAX 65536 /* bytes in one rule */

/*
 * Find the rule for the client's address, as tcprules(1) tells: the address,
 * what it begins with up to a '.' or ':', from the longest on, the empty one.
 * Nobody has looked up the client's name or user, so the rules that begin with
 * '=' or have a '@' are for none. Put the rule's variables into the
 * environment. Returns 1: let in, 0: denied, -1 with errno: the file cannot be
 * read, or is none of these, or not whole (EPROTO).
 */
int tcprules_apply(char const *path, char const *ip);

#endif
