#include "tests/unit/tap.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/stagelist.h"
#include "smtpd/config.h"

static char directory[] = "/tmp/trapline-config.XXXXXX";
static struct config config;
static char const *reason;

static void
put(char const *name, char const *text)
{
  char path[64];
  snprintf(path, sizeof path, "control/%s", name);
  if (!text) {
    unlink(path);
    return;
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
    printf("# unable to write %s\n", path);
  if (fd >= 0)
    close(fd);
}

/* With a command, so that no pipeline is asked for. */
static int
reads(void)
{
  static char stage[] = "stage";
  static char *command[] = {stage, NULL};
  config_free(&config);
  memset(&config, 0, sizeof config);
  reason = NULL;
  return config_read(&config, command, &reason);
}

static void
test_defaults(void)
{
  put("me", "mx.trap.example\n");
  tap_ok(reads(), "no file but me");
  tap_is_string(config.me, "mx.trap.example", "me");
  tap_is_string(config.greeting, "mx.trap.example ESMTP", "greeting");
  tap_is_number((long long)config.data_bytes, 52428800, "databytes");
  tap_is_number((long long)config.recipients_max, 1000, "maxrcpt");
  tap_is_number((long long)config.line_bytes, 4096, "maxline");
  tap_is_number((long long)config.junk_max, 50, "maxjunk");
  tap_is_number((long long)config.idle_s, 300, "timeout");
  tap_is_number((long long)config.session_s, 7200, "sessiontimeout");
  tap_is_number((long long)config.bytes_per_s, 16, "mindatarate");
  tap_is_number((long long)config.pipeline_s, 300, "pipelinetimeout");
  tap_ok(!config.strict, "strictaddress");
  tap_ok(!config.evidence, "evidence");
  tap_is_number((long long)config.evidence_max, 10485760, "evidencebytes");
  tap_ok(config.stages->stages == 1 &&
             !strcmp(config.stages->stage[0][0], "stage") &&
             !config.stages->stage[0][1],
         "the command is the only stage");
}

static void
test_ranges(void)
{
  static struct {
    char const *name;
    unsigned long long least, most;
    uint64_t *out;
  } const cases[] = {
      {"databytes", 0, UINT64_MAX / 2, &config.data_bytes},
      {"maxrcpt", 1, 100000, &config.recipients_max},
      {"maxline", 512, CONFIG_LINE_MAX, &config.line_bytes},
      {"maxjunk", 1, 1000000, &config.junk_max},
      {"timeout", 1, 86400, &config.idle_s},
      {"sessiontimeout", 1, 604800, &config.session_s},
      {"evidencebytes", 1024, UINT64_MAX / 2, &config.evidence_max},
      {"mindatarate", 0, 1000000000, &config.bytes_per_s},
      {"pipelinetimeout", 1, 86400, &config.pipeline_s},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[32];
    char const *name = cases[i].name;
    for (int step = 0; step < 2; step++) {
      unsigned long long edge = step ? cases[i].most : cases[i].least;
      snprintf(text, sizeof text, "%llu\n", edge);
      put(name, text);
      tap_ok(reads() && *cases[i].out == edge, "%s: %llu", name, edge);
      unsigned long long outside = step ? edge + 1 : edge - 1;
      if (!step && !edge)
        continue;
      snprintf(text, sizeof text, "%llu\n", outside);
      put(name, text);
      tap_ok(!reads() && strstr(reason, name), "%s: not %llu: %s", name,
             outside, reason);
    }
    put(name, NULL);
  }
}

static void
test_strict(void)
{
  put("strictaddress", "1\n");
  tap_ok(reads() && config.strict, "strictaddress: 1");
  put("strictaddress", "0\n");
  tap_ok(reads() && !config.strict, "strictaddress: 0");
  put("strictaddress", "2\n");
  tap_ok(!reads() && strstr(reason, "strictaddress"), "strictaddress: not 2");
  put("strictaddress", "yes\n");
  tap_ok(!reads(), "strictaddress: not yes");
  put("strictaddress", NULL);
}

static void
test_greeting(void)
{
  char text[300];
  put("greeting", "mx.trap.example ready\n");
  tap_ok(reads() && !strcmp(config.greeting, "mx.trap.example ready"),
         "a greeting of one's own");
  for (size_t n = 254; n <= 256; n++) {
    memset(text, 'g', n);
    text[n] = 0;
    put("greeting", text);
    tap_ok(n > 255 ? !reads() && strstr(reason, "greeting")
                   : reads() && strlen(config.greeting) == n,
           "a greeting of %zu bytes", n);
  }
  put("greeting", NULL);
  for (size_t n = 248; n <= 256; n++) {
    memset(text, 'm', n);
    text[n] = 0;
    put("me", text);
    tap_ok(n > 255 ? !reads()
                   : reads() && strlen(config.greeting) ==
                                    n + (n > 249 ? 0 : strlen(" ESMTP")),
           "a name of %zu bytes, and its greeting", n);
  }
  put("me", " \n");
  tap_ok(!reads() && !strcmp(reason, "control/me: empty"), "an empty name");
  put("me", "mx.trap.example\n");
}

static size_t stages_read;

/* The pipeline's words, each in brackets, a bar between two stages; or the
 * reason for which there is none. */
static char const *
stages(char const *pipeline)
{
  static char text[4000];
  config_free(&config);
  put("pipeline", pipeline);
  reason = NULL;
  if (!config_read(&config, NULL, &reason)) {
    config_free(&config);
    return reason;
  }
  char *p = text;
  stages_read = config.stages->stages;
  for (size_t i = 0; i < stages_read; i++) {
    p += sprintf(p, "%s", i ? "|" : "");
    for (char **word = config.stages->stage[i]; *word; word++)
      p += sprintf(p, "[%s]", *word);
  }
  config_free(&config);
  return text;
}

#define QUOTE(stage)                                                           \
  "control/pipeline: stage " stage ": a quote is not closed, or too many "     \
  "words"

static void
test_pipeline(void)
{
  static struct {
    char const *pipeline;
    char const *words;
  } const cases[] = {
      {"a\n", "[a]"},
      {"a -x  b\t c \n\n# no\n  d\n", "[a][-x][b][c]|[d]"},
      {"a 'b c' \"d 'e'\"\n", "[a][b c][d 'e']"},
      {"a b' 'c\" \"d\n", "[a][b c d]"},
      {"a '' \"\"\n", "[a][][]"},
      {"a ''b''\n", "[a][b]"},
      {"a \\n $HOME `x` ; | > #\n", "[a][\\n][$HOME][`x`][;][|][>][#]"},
      {"'a b' c\n", "[a b][c]"},
      {"a '\n", QUOTE("1")},
      {"a \"b'\n", QUOTE("1")},
      {"a 'b\nc'\n", QUOTE("1")},
      {"a\n'\n", QUOTE("2")},
      {"", "control/pipeline: no stage in it"},
      {"# only\n\n", "control/pipeline: no stage in it"},
      {NULL, "control/pipeline: No such file or directory"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    tap_is_string(stages(cases[i].pipeline), cases[i].words,
                  "the stages and their words");
}

static void
test_stage_limit(void)
{
  char text[4 * SPAWN_MAX];
  for (size_t n = SPAWN_MAX - 1; n <= SPAWN_MAX + 1; n++) {
    text[0] = 0;
    for (size_t i = 0; i < n; i++)
      strcat(text, "s\n");
    char const *got = stages(text);
    if (n > SPAWN_MAX)
      tap_is_string(got, "control/pipeline: too many entries", "33 stages");
    else
      tap_ok(stages_read == n, "%zu stages", n);
  }
}

/* Words of one stage, and its closing NULL. */
static void
test_word_limit(void)
{
  char text[3 * STAGELIST_WORDS_MAX];
  for (size_t n = STAGELIST_WORDS_MAX - 2; n <= STAGELIST_WORDS_MAX; n++) {
    text[0] = 0;
    for (size_t i = 0; i < n - 2; i++)
      strcat(text, "w ");
    strcat(text, "w\nw\n"); /* n - 1 words, 1 word: n + 2 places */
    char const *got = stages(text);
    if (n + 2 > STAGELIST_WORDS_MAX)
      tap_is_string(got, QUOTE("2"), "more words than there is room for");
    else
      tap_ok(stages_read == 2, "%zu words", n);
  }
}

static int
reads_all(void)
{
  reason = NULL;
  return config_read(&config, NULL, &reason);
}

static size_t
allocated(void)
{
  return mallinfo2().uordblks;
}

/* Whatever is read, or fails after it was. */
static void
test_free(void)
{
  static struct {
    char const *name, *good, *bad;
  } const files[] = {
      {"me", "mx.trap.example\n", "\x1b\n"},
      {"persona", "other\n", "no/name\n"},
      {"personas/other", "# as he\n\n EHLO 250  -> 250 yes\n", "EHLO\n"},
      {"evidence", "kept\n", "\x1b\n"},
      {"pipeline", "# first\n  a 'b c'\nd\n", "a '\n"},
      {"maxrcpt", "5\n", "no\n"},
      {"pool", "/somewhere\n", "\x1b\n"},
  };
  enum { FILES = sizeof files / sizeof *files };
  mkdir("control/personas", 0755);
  for (size_t i = 0; i + 1 < FILES; i++)
    put(files[i].name, files[i].good);
  for (size_t i = 0; i < FILES; i++) {
    put(files[i].name, files[i].bad);
    tap_ok(!reads_all() && strstr(reason, files[i].name), "%s: %s",
           files[i].name, reason);
    config_free(&config);
    size_t before = allocated();
    tap_ok(!reads_all(), "%s: again", files[i].name);
    config_free(&config);
    tap_is_number((long long)(allocated() - before), 0, "all is freed");
    put(files[i].name, files[i].good);
  }
  size_t before = allocated();
  tap_ok(reads_all() && !config.stages && config.persona && config.evidence &&
             !strcmp(config.pool, "/somewhere"),
         "a persona, evidence and a pool");
  config_free(&config);
  tap_is_number((long long)(allocated() - before), 0, "all is freed");
  put("pool", NULL);
  tap_ok(reads_all() && config.stages->stages == 2 && !config.pool[0] &&
             !strcmp(config.stages->stage[0][1], "b c"),
         "two stages");
  config_free(&config);
  tap_is_number((long long)(allocated() - before), 0, "all is freed");
  for (size_t i = 0; i < FILES; i++)
    put(files[i].name, NULL);
  rmdir("control/personas");
}

static void
test_xclient(void)
{
  put("me", "mx.trap.example\n");
  tap_ok(reads() && !config.xclient, "xclient: no file");
  put("xclient", "");
  tap_ok(reads() && config.xclient, "xclient: an empty file");
  put("xclient", NULL);
}

int
main(void)
{
  unsetenv("TRAPLINE_CONTROL");
  if (!mkdtemp(directory) || chdir(directory) || mkdir("control", 0755))
    return 1;
  test_defaults();
  test_ranges();
  test_strict();
  test_greeting();
  test_pipeline();
  test_stage_limit();
  test_word_limit();
  test_free();
  test_xclient();
  put("me", NULL);
  put("pipeline", NULL);
  config_free(&config);
  rmdir("control");
  return chdir("/") || rmdir(directory) || tap_done();
}
