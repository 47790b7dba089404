#include "lib/log.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/strerr.h>
#include <skalibs/types.h>

/* "\xNN" is the longest form of a byte. */
#define ESCAPED_MAX 4

static void
append(struct log *log, char const *bytes, size_t n)
{
  size_t room = sizeof log->line - 1 - log->used; /* 1: the LF */
  if (n > room)
    n = room;
  memcpy(log->line + log->used, bytes, n);
  log->used += n;
}

void
log_start(struct log *log, char const *event)
{
  log->used = 0;
  append(log, PROG, strlen(PROG));
  append(log, ": ", 2);
  append(log, event, strlen(event));
}

/* Add a field whole or not at all. */
static void
add_field(struct log *log, char const *key, char const *value, size_t n)
{
  size_t key_bytes = strlen(key);
  if (log->used + 1 + key_bytes + 1 + n > sizeof log->line - 1)
    return;
  append(log, " ", 1);
  append(log, key, key_bytes);
  append(log, "=", 1);
  append(log, value, n);
}

static size_t
escape(char *out, unsigned char c)
{
  static char const hex[] = "0123456789abcdef";
  if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\') {
    out[0] = (char)c;
    return 1;
  }
  out[0] = '\\';
  out[1] = 'x';
  out[2] = hex[c >> 4];
  out[3] = hex[c & 15];
  return ESCAPED_MAX;
}

void
log_bytes(struct log *log, char const *key, char const *value, size_t n)
{
  char text[LOG_VALUE_MAX * ESCAPED_MAX + sizeof "\"...\""];
  size_t used = 1;
  size_t kept = n > LOG_VALUE_MAX ? LOG_VALUE_MAX : n;
  int quoted = n == 0 || memchr(value, ' ', kept) != NULL;

  text[0] = '"';
  for (size_t i = 0; i < kept; i++)
    used += escape(text + used, (unsigned char)value[i]);
  if (kept < n) {
    memcpy(text + used, "...", 3);
    used += 3;
  }
  text[used] = '"';
  if (quoted)
    add_field(log, key, text, used + 1);
  else
    add_field(log, key, text + 1, used - 1);
}

void
log_string(struct log *log, char const *key, char const *value)
{
  log_bytes(log, key, value, strlen(value));
}

void
log_said(struct log *log, char const *key, char const *value, size_t n)
{
  static char const word[] = "AUTH";
  size_t length = sizeof word - 1;
  for (size_t i = 0; i + length < n; i++)
    if (!strncasecmp(value + i, word, length))
      n = i + length;
  log_bytes(log, key, value, n);
}

void
log_number(struct log *log, char const *key, uint64_t value)
{
  char digits[UINT64_FMT];
  add_field(log, key, digits, uint64_fmt(digits, value));
}

void
log_seconds(struct log *log, char const *key, uint64_t milliseconds)
{
  char text[UINT64_FMT + 4];
  size_t n = uint64_fmt(text, milliseconds / 1000);
  text[n++] = '.';
  uint640_fmt(text + n, milliseconds % 1000, 3);
  add_field(log, key, text, n + 3);
}

void
log_status(struct log *log, int status)
{
  if (WIFSIGNALED(status))
    log_number(log, "signal", (uint64_t)WTERMSIG(status));
  else
    log_number(log, "exit", (uint64_t)WEXITSTATUS(status));
}

void
log_write(struct log *log)
{
  int saved = errno;
  log->line[log->used++] = '\n';
  if (write(2, log->line, log->used) < 0)
    errno = 0; /* nowhere to report it */
  errno = saved;
}
