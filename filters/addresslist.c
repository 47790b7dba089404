#include "filters/addresslist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include <skalibs/djbunix.h>
#include <skalibs/stralloc.h>

#include "lib/ascii.h"

static bool
is_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\r';
}

/* One line of n bytes, which become lower case. */
static int
add_line(struct rulecdb_maker *maker, char *line, size_t n)
{
  while (n && is_blank(line[n - 1]))
    n--;
  if (!n || *line == '#')
    return 1;
  for (size_t i = 0; i < n; i++)
    line[i] = ascii_lower(line[i]);
  return rulecdb_add(maker, line, n, "", 0);
}

int
addresslist_compile(struct rulecdb_maker *maker, char const *path)
{
  stralloc text = STRALLOC_ZERO;
  int result = rulecdb_start(maker);
  if (!result)
    return -1;
  if (!openslurpclose(&text, path)) {
    int reason = errno;
    rulecdb_free(maker);
    stralloc_free(&text);
    errno = reason;
    return -1;
  }
  for (size_t at = 0; result && at < text.len;) {
    char *end = memchr(text.s + at, '\n', text.len - at);
    size_t n = (end ? (size_t)(end - text.s) : text.len) - at;
    result = add_line(maker, text.s + at, n);
    at += n + 1;
  }
  stralloc_free(&text);
  if (!result)
    rulecdb_free(maker);
  return result ? 0 : -1;
}

int
addresslist_load(struct addresslist *list, char const *path)
{
  struct rulecdb_maker maker;
  if (addresslist_compile(&maker, path) == -1)
    return -1;
  if (!rulecdb_finish(&maker) ||
      !rulecdb_open(&list->database, maker.bytes, -1, maker.used)) {
    int reason = errno;
    rulecdb_free(&maker);
    errno = reason;
    return -1;
  }
  maker.bytes = NULL; /* the database's from now on */
  rulecdb_free(&maker);
  return 0;
}

int
addresslist_open(struct addresslist *list, char const *path)
{
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return -1;
  if (fstat(fd, &status) == -1 ||
      !rulecdb_open(&list->database, NULL, fd, (uint64_t)status.st_size)) {
    fd_close(fd);
    return -1;
  }
  return 0;
}

static int
has(struct addresslist const *list, char const *key, size_t n)
{
  uint64_t data;
  uint32_t data_bytes;
  return rulecdb_find(&list->database, key, n, &data, &data_bytes);
}

int
addresslist_has_mailbox(struct addresslist const *list, char const *mailbox,
                        size_t n, size_t at)
{
  int found = has(list, mailbox, n);
  return found || at >= n ? found : has(list, mailbox + at, n - at);
}

int
addresslist_has_domain(struct addresslist const *list, char const *domain,
                       size_t n)
{
  for (size_t i = 0; i < n; i++) {
    int found = i && domain[i] != '.' ? 0 : has(list, domain + i, n - i);
    if (found)
      return found;
  }
  return 0;
}
