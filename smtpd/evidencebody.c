#include "smtpd/evidencebody.h"

#include <string.h>
#include <strings.h>

/* Whether the command has this word as its first; case does not matter. */
static bool
is_verb(struct evidencebody const *body, char const *verb)
{
  size_t n = strlen(verb);
  return body->used >= n && !strncasecmp(body->command, verb, n) &&
         (body->used == n || strchr(" \t\r\n", body->command[n]));
}

/* Whether the last word of a command that fitted is LAST. */
static bool
is_last(struct evidencebody const *body)
{
  size_t n = body->used;
  while (n && strchr(" \t\r\n", body->command[n - 1]))
    n--;
  return n > 5 && strchr(" \t", body->command[n - 5]) &&
         !strncasecmp(body->command + n - 4, "LAST", 4);
}

/* A command has come to its end. */
static void
see_command(struct evidencebody *body)
{
  static char const *const breaks[] = {"MAIL", "RSET",     "EHLO",   "HELO",
                                       "DATA", "STARTTLS", "XCLIENT"};
  body->in_body = false;
  body->is_chunk = is_verb(body, "BDAT");
  if (body->is_chunk) {
    body->messages += !body->in_chunks;
    body->in_chunks = !is_last(body);
    return;
  }
  for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++)
    if (is_verb(body, breaks[i]))
      body->in_chunks = false;
}

static void
add(struct evidencebody *body, char const *bytes, size_t n)
{
  size_t room = EVIDENCEBODY_COMMAND_MAX - body->used;
  if (n > room)
    n = room;
  for (size_t i = 0; i < n; i++)
    body->command[body->used++] = bytes[i] ? bytes[i] : '?';
  body->command[body->used] = 0;
}

uint64_t
evidencebody_see(struct evidencebody *body, struct evidence_piece const *piece)
{
  if (piece->kind == 'C') {
    if (body->is_whole)
      body->used = 0;
    body->is_whole = piece->n && piece->bytes[piece->n - 1] == '\n';
    add(body, piece->bytes, piece->n);
    if (body->is_whole)
      see_command(body);
    return 0;
  }
  if (piece->kind != 'B')
    return 0;
  if (!body->in_body && !body->is_chunk)
    body->messages++;
  body->in_body = true;
  return body->messages;
}
