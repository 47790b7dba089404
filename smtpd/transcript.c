#include "smtpd/transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/types.h>

#include "lib/clock.h"
#include "smtpd/evidence.h"

#define HEAD_MAX (sizeof "K  " + 2 * UINT64_FMT)

/* DIRECTORY/.NAME while it is written. */
static int
make_path(struct transcript const *self, bool done, char *path)
{
  int n = snprintf(path, TRANSCRIPT_PATH_MAX, "%s/%s%s", self->directory,
                   done ? "" : ".", self->name);
  if (n > 0 && n < TRANSCRIPT_PATH_MAX)
    return 1;
  errno = ENAMETOOLONG;
  return 0;
}

static void
remove_file(struct transcript *self)
{
  char path[TRANSCRIPT_PATH_MAX];
  if (self->fd < 0)
    return;
  close(self->fd);
  self->fd = -1;
  if (make_path(self, false, path))
    unlink(path);
}

static void
give_up(struct transcript *self)
{
  self->error = errno ? errno : EIO;
  remove_file(self);
}

static void
write_out(struct transcript *self)
{
  char path[TRANSCRIPT_PATH_MAX];
  if (self->fd < 0) {
    if (make_path(self, false, path))
      self->fd = open(
          path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (self->fd < 0) {
      give_up(self);
      return;
    }
  }
  if (allwrite(self->fd, self->buffer, self->used) < self->used)
    give_up(self);
  self->used = 0;
}

static void
put(struct transcript *self, char const *bytes, size_t n)
{
  while (n && !self->error) {
    size_t room = sizeof self->buffer - self->used;
    size_t taken = n < room ? n : room;
    memcpy(self->buffer + self->used, bytes, taken);
    self->used += taken;
    bytes += taken;
    n -= taken;
    if (self->used == sizeof self->buffer)
      write_out(self);
  }
}

static bool
is_closed(struct transcript const *self)
{
  return !self || self->error || self->full;
}

static int64_t
elapsed_ms(struct transcript *self)
{
  self->packet_ms = clock_ms() - self->started_ms;
  return self->packet_ms;
}

/* "K ms"; returns its length. */
static size_t
make_head(char *head, char kind, int64_t ms)
{
  head[0] = kind;
  head[1] = ' ';
  return 2 + uint64_fmt(head + 2, (uint64_t)ms);
}

/* The limit is reached. Out of the reserve. */
static void
cut(struct transcript *self)
{
  char head[HEAD_MAX];
  size_t n = make_head(head, 'X', self->packet_ms);
  head[n++] = '\n';
  put(self, head, n);
  self->full = true;
}

/* Whether there is room for n bytes more, which are counted then. */
static bool
charge(struct transcript *self, size_t n)
{
  if (n > self->left)
    return false;
  self->left -= n;
  return true;
}

static void
put_bare(struct transcript *self, char kind, int64_t ms)
{
  char head[HEAD_MAX];
  size_t n = make_head(head, kind, ms);
  head[n++] = '\n';
  if (charge(self, n))
    put(self, head, n);
  else
    cut(self);
}

static void
put_number(struct transcript *self, char kind, int64_t ms, uint64_t number)
{
  char head[HEAD_MAX];
  size_t n = make_head(head, kind, ms);
  head[n++] = ' ';
  n += uint64_fmt(head + n, number);
  head[n++] = '\n';
  if (charge(self, n))
    put(self, head, n);
  else
    cut(self);
}

static void
put_text(struct transcript *self, char kind, char const *bytes, size_t n)
{
  char head[HEAD_MAX];
  size_t used = make_head(head, kind, self->packet_ms);
  head[used++] = ' ';
  if (!charge(self, used + 1)) {
    cut(self);
    return;
  }
  put(self, head, used);
  for (size_t i = 0; i < n && !self->full; i++) {
    char code[4];
    used = evidence_escape(bytes + i, 1, code);
    self->full = !charge(self, used);
    if (!self->full)
      put(self, code, used);
  }
  put(self, "\n", 1);
  if (self->full)
    cut(self);
}

void
transcript_start(struct transcript *self, char const *directory,
                 char const *name, uint64_t limit)
{
  self->directory = directory;
  self->name = name;
  self->fd = -1;
  self->error = 0;
  self->kept = false;
  self->full = false;
  self->started_ms = clock_ms();
  self->packet_ms = 0;
  self->left = limit - TRANSCRIPT_RESERVE;
  self->used = 0;
  put_number(self, 'V', 0, 1);
}

void
transcript_packet(struct transcript *self, size_t n)
{
  if (!is_closed(self))
    put_number(self, 'P', elapsed_ms(self), n);
}

void
transcript_command(struct transcript *self, char const *line, size_t n)
{
  if (!is_closed(self))
    put_text(self, 'C', line, n);
}

void
transcript_rest(struct transcript *self, char const *bytes, size_t n)
{
  while (n && !is_closed(self)) {
    char const *lf = memchr(bytes, '\n', n);
    size_t length = lf ? (size_t)(lf - bytes) + 1 : n;
    transcript_command(self, bytes, length);
    bytes += length;
    n -= length;
  }
}

void
transcript_reply(struct transcript *self, char const *text, size_t n)
{
  if (is_closed(self))
    return;
  elapsed_ms(self);
  put_text(self, 'S', text, n);
}

void
transcript_body(struct transcript *self, char const *bytes, size_t n)
{
  char head[HEAD_MAX];
  if (!n || is_closed(self))
    return;
  size_t used = make_head(head, 'B', self->packet_ms);
  size_t most = used + UINT64_FMT + 3; /* with the blank and both LFs */
  size_t room = self->left > most ? (size_t)(self->left - most) : 0;
  size_t fits = n < room ? n : room;
  if (fits) {
    head[used++] = ' ';
    used += uint64_fmt(head + used, fits);
    head[used++] = '\n';
    charge(self, used + fits + 1);
    put(self, head, used);
    put(self, bytes, fits);
    put(self, "\n", 1);
  }
  if (fits < n)
    cut(self);
}

void
transcript_drop(struct transcript *self, char const *bytes, size_t n)
{
  if (n && !is_closed(self))
    put_text(self, 'D', bytes, n);
}

void
transcript_tls(struct transcript *self)
{
  if (!is_closed(self))
    put_bare(self, 'T', elapsed_ms(self));
}

void
transcript_flush(struct transcript *self)
{
  if (self && self->kept && self->used && !self->error)
    write_out(self);
}

bool
transcript_keep(struct transcript *self)
{
  if (!self || self->error)
    return false;
  if (!self->kept) {
    self->kept = true;
    write_out(self);
  }
  return !self->error;
}

void
transcript_end(struct transcript *self, char const *why)
{
  char line[HEAD_MAX + TRANSCRIPT_WHY_MAX];
  char from[TRANSCRIPT_PATH_MAX], to[TRANSCRIPT_PATH_MAX];
  if (!self || self->error)
    return;
  if (!self->kept) {
    remove_file(self);
    return;
  }
  size_t n = make_head(line, 'E', elapsed_ms(self));
  n += (size_t)snprintf(line + n, sizeof line - n, " %s\n", why);
  put(self, line, n);
  transcript_flush(self);
  if (self->error)
    return;
  if (!make_path(self, false, from) || !make_path(self, true, to) ||
      rename(from, to) < 0) {
    give_up(self);
    return;
  }
  close(self->fd);
  self->fd = -1;
}
