#include "smtpd/config.h"

#include <string.h>

#include "lib/control.h"

struct number {
  char const *name;
  uint64_t least, most, fallback;
  uint64_t *out;
};

static int
read_numbers(struct config *config)
{
  uint64_t strict = 0;
  struct number const numbers[] = {
      {"databytes", 0, UINT64_MAX / 2, 52428800, &config->data_bytes},
      {"maxrcpt", 1, 100000, 1000, &config->recipients_max},
      {"maxline", 512, CONFIG_LINE_MAX, 4096, &config->line_bytes},
      {"maxjunk", 1, 1000000, 50, &config->junk_max},
      {"timeout", 1, 86400, 300, &config->idle_s},
      {"sessiontimeout", 1, 604800, 7200, &config->session_s},
      {"mindatarate", 0, 1000000000, 16, &config->bytes_per_s},
      {"pipelinetimeout", 1, 86400, 300, &config->pipeline_s},
      {"poolwait", 0, 86400, 30, &config->pool_s},
      {"strictaddress", 0, 1, 0, &strict},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct number const *n = numbers + i;
    *n->out = n->fallback;
    if (control_number(n->name, n->least, n->most, n->out) < 0)
      return 0;
  }
  config->strict = strict != 0;
  return 1;
}

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

/* -1: control_error() says why. */
static int
read_stages(struct config *config)
{
  static char *words[CONFIG_WORDS_MAX];
  char *lines[CONFIG_STAGES_MAX + 1];
  size_t used = 0;
  int n = control_list("pipeline", lines, CONFIG_STAGES_MAX + 1);
  if (n < 0)
    return -1;
  for (int i = 0; i < n; i++) {
    int count = split(lines[i], words + used, CONFIG_WORDS_MAX - used);
    if (count <= 0)
      return control_invalid("pipeline",
                             "a quote is not closed, or too many words");
    config->stage[config->stages++] = words + used;
    used += (size_t)count + 1;
  }
  return config->stages ? 0 : control_invalid("pipeline", "no stage in it");
}

int
config_read_pipeline(struct config *config, char **command, char const **reason)
{
  config->stages = 0;
  if (command)
    config->stage[config->stages++] = command;
  else if (read_stages(config) < 0) {
    *reason = control_error();
    return 0;
  }
  return 1;
}

int
config_read(struct config *config, char **command, char const **reason)
{
  char fallback[sizeof config->greeting];
  config->stages = 0;
  if (control_me(config->me, sizeof config->me) < 0)
    goto failed;
  strcpy(fallback, config->me);
  if (strlen(fallback) + sizeof " ESMTP" <= sizeof fallback)
    strcat(fallback, " ESMTP");
  if (control_line("greeting", fallback, config->greeting,
                   sizeof config->greeting) < 0 ||
      !read_numbers(config) ||
      control_line("pool", NULL, config->pool, sizeof config->pool) < 0)
    goto failed;
  if (config->pool[0] && !command)
    return 1;
  config->pool[0] = 0;
  return config_read_pipeline(config, command, reason);
failed:
  *reason = control_error();
  return 0;
}
