#include "smtpd/facts.h"

#include <string.h>

#include "lib/command.h"
#include "lib/xtext.h"

#define PREFIX "XNOTE_"

extern char **environ;

static int
is_key(char const *key)
{
  static char const *const own[] = {"session", "queued", "blind"};
  size_t n = strlen(key);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (!strcmp(key, own[i]))
      return 0;
  return n && n <= COMMAND_NOTE_KEY_MAX &&
         strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

int
facts_add(struct facts *facts, char const *key, char const *value)
{
  size_t n = strlen(value), name = strlen(key);
  size_t room = sizeof facts->lines - facts->used;
  char *line = facts->lines + facts->used;
  if (!is_key(key) || n > COMMAND_NOTE_VALUE_MAX || room < name + 9)
    return 0;
  char *text = stpcpy(stpcpy(stpcpy(line, "XNOTE "), key), "=");
  int used = xtext_encode(value, n, text, room - name - 8);
  if (used < 0)
    return 0;
  text[used] = '\n';
  facts->used += name + 8 + (size_t)used;
  return 1;
}

void
facts_of_environment(struct facts *facts)
{
  char key[COMMAND_NOTE_KEY_MAX + 1];
  for (char **variable = environ; *variable; variable++) {
    char const *name = *variable + sizeof PREFIX - 1;
    if (strncmp(*variable, PREFIX, sizeof PREFIX - 1) != 0)
      continue;
    char const *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : sizeof key;
    if (n >= sizeof key)
      continue;
    memcpy(key, name, n);
    key[n] = 0;
    facts_add(facts, key, equals + 1);
  }
}
