#include "lib/stagelist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/control.h"
#include "lib/log.h"

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

/* Cut each of n lines into the words of a stage. 1, or 0 after
 * control_invalid(). */
static int
set_stages(struct stagelist *list, char **lines, size_t n)
{
  char what[64];
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    char **words = list->words + used;
    int count = split(lines[i], words, STAGELIST_WORDS_MAX - used);
    if (count <= 0) {
      snprintf(what, sizeof what,
               "stage %zu: a quote is not closed, or too many words", i + 1);
      control_invalid("pipeline", what);
      return 0;
    }
    list->stage[i] = words;
    used += (size_t)count + 1;
  }
  list->stages = n;
  return 1;
}

struct stagelist *
stagelist_read(char **command)
{
  char *lines[SPAWN_MAX + 1] = {0};
  struct stagelist *list = calloc(1, sizeof *list);
  if (!list) {
    control_invalid("pipeline", strerror(errno));
    return NULL;
  }
  list->holders = 1;
  if (command) {
    list->stage[0] = command;
    list->stages = 1;
    return list;
  }
  int n = control_list("pipeline", lines, SPAWN_MAX + 1);
  list->text = n > 0 ? lines[0] : NULL;
  if (!n)
    control_invalid("pipeline", "no stage in it");
  if (n > 0 && set_stages(list, lines, (size_t)n))
    return list;
  stagelist_drop(list);
  return NULL;
}

bool
stagelist_renew(struct stagelist **list)
{
  if (!(*list)->text)
    return true;
  struct stagelist *fresh = stagelist_read(NULL);
  if (!fresh) {
    struct log log;
    log_start(&log, "error: not renewed, the old stages go on");
    log_string(&log, "error", control_error());
    log_write(&log);
    return false;
  }
  stagelist_drop(*list);
  *list = fresh;
  return true;
}

struct stagelist *
stagelist_hold(struct stagelist *list)
{
  list->holders++;
  return list;
}

void
stagelist_drop(struct stagelist *list)
{
  if (!list || --list->holders)
    return;
  free(list->text);
  free(list);
}
