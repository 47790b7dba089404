/* sources: lib/control.c smtpd/config.c smtpd/persona.c */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ascii.h"
#include "lib/control.h"
#include "lib/stagelist.h"
#include "smtpd/config.h"

#define ENTRIES_MAX 64
/* The input is the control file "pipeline": a link, in a folder of our own, to
 * a file in memory. */
static char folder[] = "/tmp/trapline-fuzz.XXXXXX";
static char link_path[sizeof folder + sizeof "/pipeline"];

static void
remove_folder(void)
{
  unlink(link_path);
  rmdir(folder);
}

static int
open_file(void)
{
  char target[64];
  int fd = memfd_create("control", MFD_CLOEXEC);
  if (fd < 0 || !mkdtemp(folder))
    abort();
  snprintf(link_path, sizeof link_path, "%s/pipeline", folder);
  snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
  setenv("TRAPLINE_CONTROL", folder, 1);
  if (symlink(target, link_path) < 0)
    abort();
  atexit(remove_folder);
  return fd;
}

static void
check_value(void)
{
  static char out[CONTROL_VALUE_MAX + 1];
  uint64_t number = 7;
  memset(out, 'x', sizeof out);
  if (control_line("pipeline", NULL, out, sizeof out) == 1) {
    size_t n = strlen(out);
    FUZZ_HOLDS(n <= CONTROL_VALUE_MAX);
    FUZZ_HOLDS(!n || !ascii_is_blank(out[n - 1]));
    for (size_t i = 0; i < n; i++)
      FUZZ_HOLDS(!ascii_is_control(out[i]) || out[i] == '\t');
  }
  if (control_number("pipeline", 10, 20, &number) == 1)
    FUZZ_HOLDS(number >= 10 && number <= 20);
  else
    FUZZ_HOLDS(number == 7);
  FUZZ_HOLDS(*control_error());
}

static void
check_list(void)
{
  char *entries[ENTRIES_MAX] = {0};
  int n = control_list("pipeline", entries, ENTRIES_MAX);
  FUZZ_HOLDS(n < ENTRIES_MAX);
  for (int i = 0; i < n; i++) {
    FUZZ_HOLDS(*entries[i] && *entries[i] != '#');
    FUZZ_HOLDS(!ascii_is_blank(*entries[i]) && !strchr(entries[i], '\n'));
  }
  FUZZ_HOLDS(n < 0 || !entries[n]);
  if (n > 0)
    free(entries[0]);
}

static void
check_pipeline(void)
{
  static struct config config;
  char const *reason = NULL;
  size_t words = 0;
  if (!config_read(&config, NULL, &reason)) {
    FUZZ_HOLDS(reason && *reason);
    config_free(&config);
    return;
  }
  struct stagelist const *list = config.stages;
  FUZZ_HOLDS(list->stages && list->stages <= SPAWN_MAX);
  for (size_t i = 0; i < list->stages; i++, words++)
    for (char **word = list->stage[i]; *word; word++, words++)
      FUZZ_HOLDS(strlen(*word) <= CONTROL_LIST_MAX);
  FUZZ_HOLDS(words <= STAGELIST_WORDS_MAX);
  config_free(&config);
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static int fd = -1;
  if (fd < 0)
    fd = open_file();
  if (ftruncate(fd, 0) < 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
    abort();
  check_value();
  check_list();
  check_pipeline();
  return 0;
}
