#include "smtpd/tcprules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/rulecdb.h"

static int
damaged(void)
{
  errno = EPROTO;
  return -1;
}

/* A rule is strings, each with its NUL: "D", or "+name=value". */
static int
follow(char *data, size_t n)
{
  int result = 1;
  if (n && data[n - 1])
    return damaged();
  for (char *end = data + n; data < end;) {
    char *next = data + strlen(data) + 1;
    char *value = data[0] == '+' ? strchr(data, '=') : NULL;
    if (data[0] == 'D')
      result = 0;
    if (value) {
      *value++ = 0;
      if (setenv(data + 1, value, 1) < 0)
        return -1;
    }
    data = next;
  }
  return result;
}

/* 1, 0, -1 as tcprules_apply(); 2: there is no such rule. */
static int
look_up(struct rulecdb const *database, char const *key, size_t n)
{
  uint64_t at;
  uint32_t bytes;
  int r = rulecdb_find(database, key, n, &at, &bytes);
  if (r <= 0)
    return r ? r : 2;
  if (bytes > TCPRULES_DATA_MAX)
    return damaged();
  char *data = malloc(bytes + 1);
  if (!data)
    return -1;
  r = rulecdb_read(database, at, data, bytes) ? follow(data, bytes) : -1;
  free(data);
  return r;
}

static int
search(struct rulecdb const *database, char const *ip)
{
  size_t n = strlen(ip);
  int r = look_up(database, ip, n);
  while (r == 2 && n) {
    do
      n--;
    while (n && ip[n - 1] != '.' && ip[n - 1] != ':');
    r = look_up(database, ip, n);
  }
  return r == 2 ? 1 : r;
}

int
tcprules_apply(char const *path, char const *ip)
{
  struct rulecdb database;
  struct stat file;
  int r = -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  if (fstat(fd, &file) == 0 &&
      rulecdb_open(&database, NULL, fd, (uint64_t)file.st_size))
    r = rulecdb_is_whole(&database) ? search(&database, ip) : damaged();
  int reason = errno;
  close(fd);
  errno = reason;
  return r;
}
