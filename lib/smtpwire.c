#include "lib/smtpwire.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/djbunix.h>

#include "lib/clock.h"
#include "lib/smtptls.h"

#define TARGET_MAX 300

static int
failed(struct smtpwire *wire, char const *error)
{
  wire->error = error;
  smtpwire_close(wire);
  return -1;
}

void
smtpwire_close(struct smtpwire *wire)
{
  if (wire->tls)
    smtptls_free(wire->tls);
  wire->tls = NULL;
  if (wire->fd >= 0)
    fd_close(wire->fd);
  wire->fd = -1;
  wire->from = wire->to = wire->used = 0;
}

/* Until the descriptor is ready or it is too late; what is ready by then is in
 * time, though we may look at it late. 0 or -1. */
static int
wait_for(struct smtpwire const *wire, short events, int64_t end_ms)
{
  struct pollfd wanted = {.fd = wire->fd, .events = events};
  for (;;) {
    int64_t left_ms = end_ms - clock_ms();
    int n = poll(&wanted, 1, left_ms > 0 ? (int)left_ms : 0);
    if (n > 0)
      return 0;
    if (n == 0)
      errno = ETIMEDOUT;
    if (n == 0 || errno != EINTR)
      return -1;
  }
}

static int64_t
deadline(struct smtpwire const *wire, unsigned int patience)
{
  return clock_ms() + (int64_t)wire->limit_s * patience * 1000;
}

/* Connect to one address. 0, or -1 with errno. */
static int
try_address(struct smtpwire *wire, struct sockaddr const *address,
            socklen_t length)
{
  int error = 0;
  socklen_t size = sizeof error;
  int const flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  wire->fd = socket(address->sa_family, flags, 0);
  if (wire->fd < 0)
    return -1;
  if (connect(wire->fd, address, length) == 0)
    return 0;
  if (errno == EINPROGRESS && wait_for(wire, POLLOUT, deadline(wire, 1)) == 0 &&
      getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0) {
    if (!error)
      return 0;
    errno = error;
  }
  error = errno;
  smtpwire_close(wire);
  errno = error;
  return -1;
}

static int
connect_path(struct smtpwire *wire, char const *path)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path)
    return failed(wire, "the socket's path is too long");
  strcpy(address.sun_path, path);
  if (try_address(wire, (struct sockaddr *)&address, sizeof address) == 0)
    return 0;
  return failed(wire, strerror(errno));
}

/* HOST:PORT in two; brackets around HOST are dropped. */
static int
split(char *target, char **host, char **port)
{
  char *colon = strrchr(target, ':');
  if (!colon || colon == target || !colon[1])
    return -1;
  *colon = 0;
  *port = colon + 1;
  *host = target;
  if (*target == '[' && colon[-1] == ']') {
    colon[-1] = 0;
    ++*host;
  }
  return 0;
}

static int
connect_host(struct smtpwire *wire, char const *target)
{
  struct addrinfo const hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *list;
  char text[TARGET_MAX], *host, *port;
  if (strlen(target) >= sizeof text)
    return failed(wire, "the host's name is too long");
  strcpy(text, target);
  if (split(text, &host, &port) == -1)
    return failed(wire, "the target is no HOST:PORT");
  int error = getaddrinfo(host, port, &hints, &list);
  if (error)
    return failed(wire, gai_strerror(error));
  int result = -1;
  for (struct addrinfo *p = list; p && result == -1; p = p->ai_next)
    result = try_address(wire, p->ai_addr, p->ai_addrlen);
  error = errno;
  freeaddrinfo(list);
  return result == 0 ? 0 : failed(wire, strerror(error));
}

int
smtpwire_connect(struct smtpwire *wire, char const *target)
{
  smtpwire_close(wire);
  wire->error = NULL;
  return *target == '/' ? connect_path(wire, target)
                        : connect_host(wire, target);
}

/* The host of a target that is none of a path, into out. */
static int
host_of(char const *target, char *out, size_t size)
{
  char text[TARGET_MAX], *host, *port;
  if (strlen(target) >= sizeof text)
    return -1;
  strcpy(text, target);
  if (split(text, &host, &port) == -1 || strlen(host) >= size)
    return -1;
  strcpy(out, host);
  return 0;
}

/* errno is of a failed read or write: the reason. */
static char const *
reason(struct smtpwire const *wire)
{
  return wire->tls && errno == EPROTO ? smtptls_error() : strerror(errno);
}

int
smtpwire_secure(struct smtpwire *wire, char const *target, bool verify)
{
  char host[SMTPWIRE_HOST_MAX + 1];
  int64_t end_ms = deadline(wire, 1);
  if (wire->tls)
    return failed(wire, "TLS is there already");
  if (wire->from != wire->to)
    return failed(wire, "the server said something before TLS");
  if (host_of(target, host, sizeof host) == -1)
    return failed(wire, "the target is no HOST:PORT");
  wire->tls = smtptls_new(wire->fd, host, verify);
  if (!wire->tls)
    return failed(wire, smtptls_error());
  while (smtptls_handshake(wire->tls, &wire->wants) == -1)
    if (errno != EAGAIN || wait_for(wire, wire->wants, end_ms) == -1)
      return failed(wire, reason(wire));
  return 0;
}

static ssize_t
write_some(struct smtpwire *wire, char const *bytes, size_t n)
{
  wire->wants = POLLOUT;
  return wire->tls ? smtptls_write(wire->tls, bytes, n, &wire->wants)
                   : fd_write(wire->fd, bytes, n);
}

static ssize_t
read_some(struct smtpwire *wire, char *bytes, size_t n)
{
  wire->wants = POLLIN;
  return wire->tls ? smtptls_read(wire->tls, bytes, n, &wire->wants)
                   : fd_read(wire->fd, bytes, n);
}

int
smtpwire_write(struct smtpwire *wire, char const *bytes, size_t n)
{
  int64_t end_ms = deadline(wire, 1);
  while (n) {
    ssize_t sent = write_some(wire, bytes, n);
    if (sent > 0) {
      bytes += sent;
      n -= (size_t)sent;
    } else if (sent == 0) {
      wire->error = "the server closed the connection";
      return -1;
    } else if (errno != EAGAIN || wait_for(wire, wire->wants, end_ms) == -1) {
      wire->error = reason(wire);
      return -1;
    }
  }
  return 0;
}

/* 0 or -1. */
static int
check_open(struct smtpwire *wire)
{
  if (wire->fd < 0 && !wire->error)
    wire->error = "the connection is closed";
  return wire->fd >= 0 ? 0 : -1;
}

int
smtpwire_flush(struct smtpwire *wire)
{
  size_t used = wire->used;
  wire->used = 0;
  if (wire->fd >= 0 && smtpwire_write(wire, wire->out, used) == -1)
    smtpwire_close(wire);
  return check_open(wire);
}

int
smtpwire_put(struct smtpwire *wire, char const *bytes, size_t n)
{
  while (n) {
    size_t room = sizeof wire->out - wire->used;
    size_t part = n < room ? n : room;
    memcpy(wire->out + wire->used, bytes, part);
    wire->used += part;
    bytes += part;
    n -= part;
    if (wire->used == sizeof wire->out && smtpwire_flush(wire) == -1)
      return -1;
  }
  return check_open(wire);
}

int
smtpwire_puts(struct smtpwire *wire, char const *text)
{
  return smtpwire_put(wire, text, strlen(text));
}

/* Read a line into in[from...]; *n is its length with the LF. */
static enum smtpwire_heard
hear(struct smtpwire *wire, int64_t end_ms, size_t *n)
{
  for (;;) {
    size_t held = wire->to - wire->from;
    char const *end = memchr(wire->in + wire->from, '\n', held);
    if (end) {
      *n = (size_t)(end + 1 - (wire->in + wire->from));
      return SMTPWIRE_LINE;
    }
    memmove(wire->in, wire->in + wire->from, held);
    wire->from = 0;
    wire->to = held;
    if (held == sizeof wire->in) {
      wire->error = "the server's reply is too long";
      return SMTPWIRE_LOST;
    }
    ssize_t got = read_some(wire, wire->in + held, sizeof wire->in - held);
    if (got > 0) {
      wire->to += (size_t)got;
      continue;
    }
    if (got < 0 && errno == EAGAIN && wait_for(wire, wire->wants, end_ms) == 0)
      continue;
    wire->error = got ? reason(wire) : "the server closed the connection";
    return got < 0 && errno == ETIMEDOUT ? SMTPWIRE_SILENT : SMTPWIRE_LOST;
  }
}

enum smtpwire_heard
smtpwire_hear(struct smtpwire *wire, char const **line, size_t *n)
{
  enum smtpwire_heard heard = hear(wire, deadline(wire, 1), n);
  if (heard != SMTPWIRE_LINE)
    return heard;
  *line = wire->in + wire->from;
  wire->from += (*n)--;
  if (*n && (*line)[*n - 1] == '\r')
    --*n;
  return SMTPWIRE_LINE;
}

/* The code of a line of n bytes, 200 to 599, or 0. */
static int
code_of(char const *line, size_t n)
{
  if (n < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' ||
      line[1] > '9' || line[2] < '0' || line[2] > '9' ||
      (n > 3 && line[3] != ' ' && line[3] != '-'))
    return 0;
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

static int
take_line(struct smtpwire *wire, char *reply, int64_t end_ms, bool *more)
{
  size_t n;
  if (hear(wire, end_ms, &n) != SMTPWIRE_LINE) {
    smtpwire_close(wire);
    return -1;
  }
  char const *line = wire->in + wire->from;
  wire->from += n;
  while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
    n--;
  int code = code_of(line, n);
  if (!code)
    return failed(wire, "the server's reply is none of SMTP");
  *more = n > 3 && line[3] == '-';
  if (n > SMTPWIRE_REPLY_MAX)
    n = SMTPWIRE_REPLY_MAX;
  for (size_t i = 0; i < n; i++)
    reply[i] = (char)(line[i] < ' ' || line[i] > '~' ? '?' : line[i]);
  reply[n] = 0;
  if (n > 3)
    reply[3] = ' ';
  return code;
}

int
smtpwire_line(struct smtpwire *wire, char *reply, unsigned int patience,
              bool *more)
{
  if (smtpwire_flush(wire) == -1)
    return -1;
  return take_line(wire, reply, deadline(wire, patience), more);
}

int
smtpwire_reply(struct smtpwire *wire, char *reply, unsigned int patience)
{
  bool more = true;
  int code = -1;
  if (smtpwire_flush(wire) == -1)
    return -1;
  int64_t end_ms = deadline(wire, patience);
  for (int lines = 0; more; lines++) {
    if (lines == SMTPWIRE_LINES_MAX)
      return failed(wire, "the server's reply is too long");
    code = take_line(wire, reply, end_ms, &more);
    if (code == -1)
      return -1;
  }
  return code;
}

bool
smtpwire_stale(struct smtpwire *wire)
{
  struct pollfd wanted = {.fd = wire->fd, .events = POLLIN};
  if (wire->from != wire->to)
    return true;
  if (poll(&wanted, 1, 0) == 0)
    return false;
  /* with TLS, what has come may be tickets */
  return !wire->tls || read_some(wire, wire->in, sizeof wire->in) != -1 ||
         errno != EAGAIN;
}
