#include "edge/denyfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "lib/exitcode.h"

#define PATH_BYTES 4096

static struct {
  char const *name;
  char const *file;
  void (*put)(FILE *file, struct denylist const *list);
} const forms[] = {
    {"rbldnsd", "ip4set", denylist_put_ip4set},
    {"rbldnsd", "ip6trie", denylist_put_ip6trie},
    {"nft", "nft", denylist_put_nft},
    {"text", "text", denylist_put_text},
};
#define FORMS (sizeof forms / sizeof *forms)

bool
denyfiles_instructs(char const *text)
{
  size_t n = !strncmp(text, "allow", 5) ? 5 : !strncmp(text, "deny", 4) ? 4 : 0;
  if (n == 0 || (text[n] && text[n] != ','))
    return false;
  for (; *text; text++)
    if (*text < ' ' || *text > '~')
      return false;
  return true;
}

bool
denyfiles_add(struct denyfiles *files, char const *form)
{
  bool is = false;
  for (unsigned int i = 0; i < FORMS; i++)
    if (!strcmp(forms[i].name, form)) {
      files->forms |= 1U << i;
      is = true;
    }
  return is;
}

/* 0, or -1 with errno. */
static int
path_of(char *path, struct denyfiles const *files, char const *name)
{
  if ((size_t)snprintf(path, PATH_BYTES, "%s/%s", files->directory, name) <
      PATH_BYTES)
    return 0;
  errno = ENAMETOOLONG;
  return -1;
}

int
denyfiles_history(struct denyfiles const *files, struct history *history,
                  uint32_t sets, uint32_t instants)
{
  char path[PATH_BYTES];
  if (mkdir(files->directory, 0755) < 0 && errno != EEXIST)
    return -1;
  if (path_of(path, files, "wake") < 0 ||
      (mkfifo(path, 0600) < 0 && errno != EEXIST))
    return -1;
  if (path_of(path, files, "state") < 0)
    return -1;
  return history_open(history, path, sets, instants);
}

int
denyfiles_open(struct denyfiles const *files, char const *name, int flags)
{
  char path[PATH_BYTES];
  if (path_of(path, files, name) < 0)
    return -1;
  return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

bool
denyfiles_wake(struct denyfiles const *files)
{
  int fd = denyfiles_open(files, "wake", O_WRONLY | O_NONBLOCK);
  bool heard = fd >= 0 && write(fd, "", 1) == 1;
  if (fd >= 0)
    close(fd);
  return heard;
}

int
denyfiles_list(struct history *history, int64_t now_ms)
{
  struct denylist list;
  if (denylist_collect(&list, history, now_ms, true) < 0)
    return -1;
  denylist_put_text(stdout, &list);
  free(list.entries);
  return fflush(stdout);
}

static void __attribute__((noreturn)) die(char const *verb, char const *name)
{
  strerr_diefusys(EXIT_TEMPORARY, verb, " ", name);
}

static FILE *
begin(struct denyfiles const *files)
{
  int fd = denyfiles_open(files, "new", O_WRONLY | O_CREAT | O_TRUNC);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  if (!file)
    die("write", "new");
  return file;
}

/* A reader has the old list or the new one, whole. */
static void
finish(struct denyfiles const *files, FILE *file, char const *name)
{
  char from[PATH_BYTES], to[PATH_BYTES];
  if (fflush(file) < 0 || ferror(file) || fsync(fileno(file)) < 0 ||
      fclose(file) < 0 || path_of(from, files, "new") < 0 ||
      path_of(to, files, name) < 0 || rename(from, to) < 0)
    die("write", name);
}

/* Rules of the operator's come first: of several for an address tcpserver
 * takes the first. */
static void
copy_rules(struct denyfiles const *files, FILE *to)
{
  char bytes[8192];
  size_t n;
  char last = '\n';
  FILE *from = fopen(files->rules, "re");
  if (!from)
    die("read", files->rules);
  while ((n = fread(bytes, 1, sizeof bytes, from)) > 0) {
    fwrite(bytes, 1, n, to);
    last = bytes[n - 1];
  }
  if (ferror(from))
    die("read", files->rules);
  fclose(from);
  if (last != '\n')
    fputc('\n', to);
}

static void __attribute__((noreturn))
become_tcprules(struct denyfiles const *files)
{
  int fd = denyfiles_open(files, "tcp", O_RDONLY);
  if (fd < 0 || dup2(fd, 0) < 0 || dup2(2, 1) < 0 ||
      chdir(files->directory) < 0)
    die("read", "tcp");
  char *const arguments[] = {(char[]){"tcprules"}, (char[]){"tcp.cdb"},
                             (char[]){"tcp.cdb.new"}, NULL};
  execvp(arguments[0], arguments);
  die("run", "tcprules");
}

void
denyfiles_write(struct denyfiles const *files, uint32_t sets, uint32_t instants,
                int64_t now_ms)
{
  struct history history;
  struct denylist list;
  if (denyfiles_history(files, &history, sets, instants) < 0 ||
      denylist_collect(&list, &history, now_ms, false) < 0)
    die("read", "the state");
  for (unsigned int i = 0; i < FORMS; i++)
    if (files->forms & 1U << i) {
      FILE *file = begin(files);
      forms[i].put(file, &list);
      finish(files, file, forms[i].file);
    }
  FILE *file = begin(files);
  if (files->rules)
    copy_rules(files, file);
  denylist_put_rules(file, &list, files->instructions);
  finish(files, file, "tcp");
  become_tcprules(files);
}
