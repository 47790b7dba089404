#include "lib/stagelist.h"

#include <stdlib.h>
#include <string.h>

#include "lib/control.h"
#include "lib/spawn.h"

/* Cut a line into words in place. Returns how many, or -1 if a quote is open
 * or there is no room. words[result] is NULL. */
static int
split(char *line, char **words, size_t room)
{
  size_t used = 0;
  char *p = line;
  for (;;) {
    p += strspn(p, " \t");
    if (!*p)
      break;
    if (used + 1 >= room)
      return -1;
    char *to = p;
    words[used++] = p;
    while (*p && *p != ' ' && *p != '\t') {
      if (*p != '\'' && *p != '"') {
        *to++ = *p++;
        continue;
      }
      char *end = strchr(p + 1, *p);
      if (!end)
        return -1;
      memmove(to, p + 1, (size_t)(end - p - 1));
      to += end - p - 1;
      p = end + 1;
    }
    p += *p != 0;
    *to = 0;
  }
  words[used] = NULL;
  return (int)used;
}

int
stagelist_read(char ***stage, char **words, char **command)
{
  char *lines[SPAWN_MAX + 1];
  size_t used = 0;
  if (command) {
    stage[0] = command;
    return 1;
  }
  int n = control_list("pipeline", lines, SPAWN_MAX + 1);
  for (int i = 0; i < n; i++) {
    int count = split(lines[i], words + used, STAGELIST_WORDS_MAX - used);
    if (count <= 0) {
      free(lines[0]);
      return control_invalid("pipeline",
                             "a quote is not closed, or too many words");
    }
    stage[i] = words + used;
    used += (size_t)count + 1;
  }
  return n ? n : control_invalid("pipeline", "no stage in it");
}
