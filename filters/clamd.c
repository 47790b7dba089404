#include "filters/clamd.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "stream: "

static enum clamd_verdict
fail(char *text, char const *what, char const *why)
{
  snprintf(text, CLAMD_TEXT, "unable to %s: %s", what, why);
  return CLAMD_FAILED;
}

/* A piece, its length before it. As daemon_send. */
static int
send_piece(struct daemon *daemon, char const *bytes, size_t n)
{
  char const length[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8),
                         (char)n};
  int r = daemon_send(daemon, length, sizeof length);
  return r == 1 && n ? daemon_send(daemon, bytes, n) : r;
}

/* 1; 0 if clamd speaks before the end; -1 with errno. */
static int
send_message(struct daemon *daemon, struct spool *spool)
{
  char const *bytes;
  size_t n;
  uint64_t at = 0;
  int got;
  int sent = daemon_send(daemon, "zINSTREAM", sizeof "zINSTREAM");
  while (sent == 1 && (got = spool_get(spool, at, &bytes, &n)) != 0) {
    if (got < 0)
      return -1;
    sent = send_piece(daemon, bytes, n);
    at += n;
  }
  return sent == 1 ? send_piece(daemon, NULL, 0) : sent;
}

/* Read clamd's reply, which ends in a NUL. Its length, or -1 with errno. */
static ssize_t
read_reply(struct daemon *daemon, char reply[CLAMD_REPLY_MAX + 1])
{
  size_t used = 0;
  while (used <= CLAMD_REPLY_MAX) {
    ssize_t n =
        daemon_receive(daemon, reply + used, CLAMD_REPLY_MAX + 1 - used);
    if (n < 0)
      return -1;
    if (!n) {
      errno = ECONNRESET;
      return -1;
    }
    char const *end = memchr(reply + used, 0, (size_t)n);
    if (end)
      return end - reply;
    used += (size_t)n;
  }
  errno = EPROTO;
  return -1;
}

/* Whether the reply ends so; the end is then cut off. */
static int
cut_end(char *reply, size_t n, char const *end)
{
  size_t end_bytes = strlen(end);
  if (n < end_bytes || strcmp(reply + n - end_bytes, end) != 0)
    return 0;
  reply[n - end_bytes] = 0;
  return 1;
}

enum clamd_verdict
clamd_scan(struct daemon *daemon, struct spool *spool, unsigned int seconds,
           char *text)
{
  char reply[CLAMD_REPLY_MAX + 1];
  if (!daemon_connect(daemon, seconds))
    return fail(text, "connect to clamd", strerror(errno));
  ssize_t n = send_message(daemon, spool);
  if (n < 0)
    fail(text, "send to clamd", strerror(errno));
  else if ((n = read_reply(daemon, reply)) < 0)
    fail(text, "read from clamd", strerror(errno));
  daemon_close(daemon);
  if (n < 0)
    return CLAMD_FAILED;
  if (!strcmp(reply, PREFIX "OK"))
    return CLAMD_CLEAN;
  if (!strncmp(reply, PREFIX, sizeof PREFIX - 1) &&
      cut_end(reply, (size_t)n, " FOUND")) {
    strcpy(text, reply + sizeof PREFIX - 1);
    return CLAMD_FOUND;
  }
  return fail(text, "scan, clamd says", reply);
}
