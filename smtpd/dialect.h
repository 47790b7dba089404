/*
 * How a client speaks: a short string that is the same for mail of one
 * program, whoever sends it; the fields are in trapline-evidence(5). Pure.
 */
#ifndef TRAPLINE_SMTPD_DIALECT_H
#define TRAPLINE_SMTPD_DIALECT_H

#include <stdbool.h>
#include <stddef.h>

#define DIALECT_MAX 64
#define DIALECT_COMMANDS_MAX 16
#define DIALECT_KEYS_MAX 12

/* Printable, NUL-terminated. */
struct dialect_letters {
  size_t used;
  char text[DIALECT_COMMANDS_MAX + 2];
};

struct dialect {
  char const *me, *address;
  struct dialect_letters message, session;
  char verbs, from; /* their case; NUL: not seen */
  bool crlf, lf;
  bool extended; /* EHLO was said */
  bool piped, rude;
  char const *path, *name; /* NULL: not seen */
  char keys[DIALECT_KEYS_MAX + 1];
};

/* Nothing was said yet. me and address are how a client may call us, and are
 * kept. */
void dialect_start(struct dialect *dialect, char const *me,
                   char const *address);

/* A command with its line end, n bytes. more: the client has sent more behind
 * it. */
void dialect_command(struct dialect *dialect, char const *line, size_t n,
                     bool more);

/* A line that is too long; n bytes of its end. */
void dialect_long_line(struct dialect *dialect, char const *line, size_t n);

/* A message is over: the next one has commands of its own. */
void dialect_next(struct dialect *dialect);

/* The string; session: with all commands so far, not only the message's. out
 * has room for DIALECT_MAX bytes and a NUL. */
void dialect_format(struct dialect const *dialect, bool session, char *out);

#endif
