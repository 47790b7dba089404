#include "lib/control.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/types.h>

#define PATH_BYTES 1024

static char error_text[PATH_BYTES + 128];

/* Say what is wrong with a file; keeps errno. Returns -1. */
static int
failed(char const *name, char const *what)
{
  int saved = errno;
  char path[PATH_BYTES];
  if (control_path(name, path, sizeof path) < 0)
    path[0] = 0;
  snprintf(error_text, sizeof error_text, "%s: %s", path[0] ? path : name,
           what);
  errno = saved;
  return -1;
}

static int
invalid(char const *name, int reason, char const *what)
{
  errno = reason;
  return failed(name, what);
}

int
control_invalid(char const *name, char const *what)
{
  return invalid(name, EINVAL, what);
}

char const *
control_error(void)
{
  return error_text[0] ? error_text : "no error";
}

int
control_path(char const *name, char *out, size_t size)
{
  char const *directory = getenv("TRAPLINE_CONTROL");
  if (!directory || !*directory)
    directory = "control";
  size_t n = strlen(directory);
  if (n + 1 + strlen(name) + 1 > size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(out, directory, n);
  out[n] = '/';
  strcpy(out + n + 1, name);
  return 0;
}

/* Read a file, or its first size bytes. Bytes read, or -1; a file that is not
 * there is not yet an error to tell of. A regular file gives all that it has at
 * once, so a short read is its end. Not O_CLOEXEC, which musl sets with one
 * more call: it is closed before anything is started. */
static ssize_t
read_file(char const *name, char *bytes, size_t size)
{
  char path[PATH_BYTES];
  if (control_path(name, path, sizeof path) < 0)
    return failed(name, "path too long");
  int fd = open(path, O_RDONLY | O_NONBLOCK);
  if (fd < 0)
    return errno == ENOENT ? -1 : failed(name, strerror(errno));
  ssize_t r = fd_read(fd, bytes, size);
  int reason = errno;
  close(fd);
  if (r >= 0)
    return r;
  errno = reason;
  return failed(name, strerror(reason));
}

/* The length of a line without its trailing blanks. */
static size_t
chomped(char const *line, size_t n)
{
  while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
    n--;
  return n;
}

/* 1 if there is a control character, a tab not counted. */
static int
has_control(char const *text, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (iscntrl((unsigned char)text[i]) && text[i] != '\t')
      return 1;
  return 0;
}

int
control_line(char const *name, char const *fallback, char *out, size_t size)
{
  char text[CONTROL_VALUE_MAX + 1];
  ssize_t r = read_file(name, text, sizeof text);
  if (r < 0 && errno == ENOENT) {
    if (!fallback)
      fallback = "";
    if (strlen(fallback) >= size)
      return invalid(name, EINVAL, "default too long");
    strcpy(out, fallback);
    return 0;
  }
  if (r < 0)
    return -1;
  size_t n = (size_t)r;
  char const *end = memchr(text, '\n', n);
  n = chomped(text, end ? (size_t)(end - text) : n);
  if (n >= size || n > CONTROL_VALUE_MAX)
    return invalid(name, EINVAL, "value too long");
  if (has_control(text, n))
    return invalid(name, EINVAL, "control character in the value");
  memcpy(out, text, n);
  out[n] = 0;
  return 1;
}

int
control_number(char const *name, uint64_t least, uint64_t most, uint64_t *out)
{
  char text[32];
  char what[128];
  uint64_t value;
  int r = control_line(name, NULL, text, sizeof text);
  if (r <= 0)
    return r;
  if (uint640_scan(text, &value) && value >= least && value <= most) {
    *out = value;
    return 1;
  }
  snprintf(what, sizeof what, "want a whole number from %llu to %llu",
           (unsigned long long)least, (unsigned long long)most);
  return invalid(name, EINVAL, what);
}

int
control_list(char const *name, char **entries, size_t most)
{
  char text[CONTROL_LIST_MAX + 1];
  size_t used = 0;
  ssize_t r = read_file(name, text, sizeof text);
  if (r < 0)
    return errno == ENOENT ? failed(name, strerror(errno)) : -1;
  if (r > CONTROL_LIST_MAX)
    return invalid(name, E2BIG, "file too long");
  if (memchr(text, 0, (size_t)r))
    return invalid(name, EINVAL, "NUL byte in the file");
  char *kept = malloc((size_t)r + 1);
  if (!kept)
    return failed(name, strerror(errno));
  memcpy(kept, text, (size_t)r);
  kept[r] = 0;
  char *to = kept;
  for (char *line = kept, *next; *line; line = next) {
    size_t n = strcspn(line, "\n");
    next = line + n + (line[n] == '\n');
    n = chomped(line, n);
    line[n] = 0;
    size_t blanks = strspn(line, " \t");
    if (!line[blanks] || line[blanks] == '#')
      continue;
    if (used + 1 >= most) {
      free(kept);
      return invalid(name, E2BIG, "too many entries");
    }
    entries[used++] = memmove(to, line + blanks, n - blanks + 1);
    to += n - blanks + 1;
  }
  entries[used] = NULL;
  if (!used)
    free(kept);
  return (int)used;
}

int
control_me(char *out, size_t size)
{
  char host[256];
  if (gethostname(host, sizeof host - 1) < 0 || !host[0])
    strcpy(host, "localhost");
  host[sizeof host - 1] = 0;
  int r = control_line("me", host, out, size);
  return r >= 0 && !out[0] ? invalid("me", EINVAL, "empty") : r;
}
