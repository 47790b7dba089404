/*
 * What a client says in AUTH, RFC 4954 and RFC 4616: names and passwords in
 * base64. Pure.
 */
#ifndef TRAPLINE_SMTPD_AUTHTEXT_H
#define TRAPLINE_SMTPD_AUTHTEXT_H

#include <stddef.h>

#define AUTHTEXT_MAX 255        /* bytes kept of a name or a password */
#define AUTHTEXT_CODED_MAX 2048 /* bytes of base64 that are looked at */

/* Each out has room for AUTHTEXT_MAX + 1, and gets a string in which control
 * characters are "?". What is no base64 is passed over. */

/* The answer to a question of LOGIN. */
void authtext_word(char const *text, size_t n, char *out);

/* That of PLAIN: a name that does not count, the name and the password, with
 * NULs between. */
void authtext_plain(char const *text, size_t n, char *user, char *secret);

#endif
