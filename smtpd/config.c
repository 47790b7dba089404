#include "smtpd/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>

#include "lib/control.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/stagelist.h"

#define INPUT_MAX 65536

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
      {"poolwait", 1, 86400, 30, &config->pool_s},
      {"strictaddress", 0, 1, 0, &strict},
      {"evidencebytes", 1024, UINT64_MAX / 2, 10485760, &config->evidence_max},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct number const *n = numbers + i;
    *n->out = n->fallback;
    if (control_number(n->name, n->least, n->most, n->out) < 0)
      return 0;
  }
  config->strict = strict != 0;
  int bait = control_number("authbait", 0, 1000000, &config->authbait_nth);
  config->authbait = bait > 0;
  if (bait < 0)
    return 0;
  return 1;
}

/* Its room costs a session no memory where it is not there. */
static int
read_evidence(struct config *config)
{
  char path[CONFIG_EVIDENCE_MAX + 1];
  if (control_line("evidence", NULL, path, sizeof path) < 0)
    return 0;
  if (!path[0] || (config->evidence = strdup(path)) != NULL)
    return 1;
  control_invalid("evidence", "no memory");
  return 0;
}

static bool
is_there(char const *name)
{
  char path[CONTROL_VALUE_MAX];
  return control_path(name, path, sizeof path) == 0 && access(path, F_OK) == 0;
}

int
config_read(struct config *config, char **command, char const **reason)
{
  char fallback[sizeof config->greeting];
  *config = (struct config){0};
  if (control_me(config->me, sizeof config->me) < 0)
    goto failed;
  strcpy(fallback, config->me);
  if (strlen(fallback) + sizeof " ESMTP" <= sizeof fallback)
    strcat(fallback, " ESMTP");
  if (control_line("greeting", fallback, config->greeting,
                   sizeof config->greeting) < 0 ||
      !read_numbers(config) || !persona_read(&config->persona) ||
      control_line("pool", NULL, config->pool, sizeof config->pool) < 0 ||
      control_line("tls", NULL, config->tls, sizeof config->tls) < 0 ||
      !read_evidence(config))
    goto failed;
  config->xclient = is_there("xclient");
  if (config->pool[0] && !command)
    return 1;
  config->pool[0] = 0;
  config->stages = stagelist_read(command);
  if (config->stages)
    return 1;
failed:
  *reason = control_error();
  return 0;
}

void
config_free(struct config *config)
{
  persona_free(config->persona);
  free(config->evidence);
  stagelist_drop(config->stages);
  config->persona = NULL;
  config->evidence = NULL;
  config->stages = NULL;
}

int
config_refuse(char const *reason)
{
  static char const reply[] = "421 4.3.0 Service not available\r\n";
  struct log log;
  log_start(&log, "fatal: unable to read the configuration");
  log_string(&log, "error", reason);
  log_write(&log);
  recv(0, NULL, INPUT_MAX, MSG_DONTWAIT | MSG_TRUNC); /* see config.h */
  allwrite(1, reply, sizeof reply - 1);
  return EXIT_TEMPORARY;
}
