#include "filters/spamd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/types.h>

#include "lib/ascii.h"

#define DIGITS_MAX 9
#define VALUE_MAX 64

/* spamd's reply as it is read. */
struct reply {
  struct daemon *daemon;
  size_t used; /* of bytes */
  size_t got;  /* in bytes */
  char bytes[8192];
};

static int
fail(struct spamd_verdict *verdict, char const *what, char const *why)
{
  snprintf(verdict->problem, SPAMD_PROBLEM, "unable to %s: %s", what, why);
  return 0;
}

size_t
spamd_score(char const *text, int64_t *thousandths)
{
  size_t at = text[0] == '-' || text[0] == '+';
  size_t digits = at;
  int64_t score = 0;
  for (; ascii_is_digit(text[at]) && at - digits < DIGITS_MAX; at++)
    score = score * 10 + (text[at] - '0');
  if (at == digits || ascii_is_digit(text[at]))
    return 0;
  int64_t unit = 1000;
  score *= 1000;
  if (text[at] == '.' && ascii_is_digit(text[at + 1]))
    for (at++; ascii_is_digit(text[at]); at++) {
      unit /= 10;
      score += unit * (text[at] - '0');
    }
  *thousandths = text[0] == '-' ? -score : score;
  return at;
}

/* 1; 0 if spamd speaks before the end; -1 with errno. */
static int
send_message(struct daemon *daemon, struct spool *spool)
{
  char head[96];
  char const *bytes;
  size_t n;
  int got;
  uint64_t at = 0;
  int length = snprintf(head, sizeof head,
                        "HEADERS SPAMC/1.5\r\nContent-length: %llu\r\n\r\n",
                        (unsigned long long)spool->bytes);
  int sent = daemon_send(daemon, head, (size_t)length);
  while (sent == 1 && (got = spool_get(spool, at, &bytes, &n)) != 0) {
    if (got < 0)
      return -1;
    sent = daemon_send(daemon, bytes, n);
    at += n;
  }
  /* An empty message is read to the end of file, whatever its length says. */
  daemon_finish(daemon);
  return sent;
}

/* Have at least one byte. 1, or 0 with errno. */
static int
refill(struct reply *reply)
{
  if (reply->used < reply->got)
    return 1;
  ssize_t n = daemon_receive(reply->daemon, reply->bytes, sizeof reply->bytes);
  reply->used = 0;
  reply->got = n > 0 ? (size_t)n : 0;
  if (!n)
    errno = ECONNRESET;
  return n > 0;
}

/* Read the reply's own header. 1, or 0 with errno. */
static int
read_head(struct reply *reply, struct header *header)
{
  header_start(header);
  while (!header->complete) {
    if (!refill(reply))
      return 0;
    reply->used += header_feed(header, reply->bytes + reply->used,
                               reply->got - reply->used);
  }
  return 1;
}

/* Read n bytes of the message's header; what there is no room for is dropped.
 * 1, or 0 with errno. */
static int
read_header(struct reply *reply, uint64_t n, struct header *header)
{
  header_start(header);
  while (n) {
    if (!refill(reply))
      return 0;
    size_t part = reply->got - reply->used;
    if (part > n)
      part = (size_t)n;
    header_feed(header, reply->bytes + reply->used, part);
    reply->used += part;
    n -= part;
  }
  return 1;
}

/* What the reply's own header says: "SPAMD/1.1 0 EX_OK", and the two fields.
 * Returns whether it says all that. */
static bool
read_fields(struct header const *head, uint64_t *length, int64_t *score)
{
  struct header_field field;
  char value[VALUE_MAX];
  bool has_length = false;
  bool has_score = false;
  size_t at = 0;
  while (header_next(head, &at, &field)) {
    header_value(&field, value, sizeof value);
    if (header_is(&field, "Content-length")) {
      has_length = uint640_scan(value, length) != 0;
    } else if (header_is(&field, "Spam")) {
      char const *number = strstr(value, " ; ");
      size_t n = number ? spamd_score(number + 3, score) : 0;
      has_score = n && !strncmp(number + 3 + n, " / ", 3);
    }
  }
  return has_length && has_score;
}

static bool
is_ok(char const *status)
{
  unsigned int code = 1;
  if (strncmp(status, "SPAMD/", 6) != 0)
    return false;
  char const *blank = strchr(status, ' ');
  return blank && uint_scan(blank + 1, &code) && !code;
}

/* The reply's first line, NUL-terminated. */
static void
copy_status(struct header const *head, char *out, size_t size)
{
  size_t n = 0;
  while (n < size - 1 && n < head->used && head->text[n] != '\r' &&
         head->text[n] != '\n' && head->text[n])
    n++;
  memcpy(out, head->text, n);
  out[n] = 0;
}

static int
read_reply(struct daemon *daemon, struct spamd_verdict *verdict)
{
  struct reply reply = {.daemon = daemon};
  struct header *header = &verdict->header;
  char status[SPAMD_PROBLEM - 64];
  uint64_t length;
  if (!read_head(&reply, header))
    return fail(verdict, "read from spamd", strerror(errno));
  copy_status(header, status, sizeof status);
  if (!is_ok(status))
    return fail(verdict, "scan, spamd says", status);
  if (!read_fields(header, &length, &verdict->score))
    return fail(verdict, "scan, spamd says", "no score");
  if (!read_header(&reply, length, header))
    return fail(verdict, "read from spamd", strerror(errno));
  return 1;
}

int
spamd_judge(struct daemon *daemon, struct spool *spool, unsigned int seconds,
            struct spamd_verdict *verdict)
{
  if (!daemon_connect(daemon, seconds))
    return fail(verdict, "connect to spamd", strerror(errno));
  int result = send_message(daemon, spool) < 0
                   ? fail(verdict, "send to spamd", strerror(errno))
                   : read_reply(daemon, verdict);
  daemon_close(daemon);
  return result;
}
