#include "smtpd/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sig.h>

#include "lib/clock.h"

#define TLS_HANDSHAKE 0x16 /* RFC 8446 section 5.1 */
/* The input buffer is read into for so much, so that little of it is touched.
 */
#define READ_BYTES 65536
#define LINGER_MS 1000
#define PRESSED_MS 1000 /* to take what is said, when others wait */
#define LINGER_BYTES 1048576

/* Set by SIGTERM, which is blocked but in the wait for a command. */
static volatile sig_atomic_t terminated;

static void
note_termination(int signal)
{
  (void)signal;
  terminated = 1;
}

void
wire_watch(struct wire *wire, int fd)
{
  wire->alarm = fd;
  wire->alarmed = false;
  wire->pressed = false;
}

void
wire_init(struct wire *wire, int in, int out, int64_t session_ms)
{
  wire->in = in;
  wire->out = out;
  wire_watch(wire, -1);
  wire->ready = false;
  wire->closing = false;
  wire->too_long = false;
  wire->status = WIRE_OPEN;
  wire->expires_ms = clock_ms() + session_ms;
  wire->bytes_read = 0;
  wire->transcript = NULL;
  wire->begin = wire->end = 0;
  wire->output_used = 0;
  sig_block(SIGTERM);
  sig_catch(SIGTERM, note_termination);
}

static int
failed(struct wire *wire, enum wire_status status)
{
  if (wire->status == WIRE_OPEN)
    wire->status = status;
  return 0;
}

/* ppoll lets no signal through while it has input, so a client that never
 * stops to send would hold it off. */
bool
wire_is_terminated(void)
{
  sigset_t waiting;
  return terminated ||
         (sigpending(&waiting) == 0 && sigismember(&waiting, SIGTERM) == 1);
}

/* Wait until one of two descriptors is ready, at most until *deadline, which
 * the first wait sets if it is 0. 1 or 0. */
static int
wait_for(struct wire *wire, struct pollfd *fds, int64_t *deadline, bool command)
{
  sigset_t open_signals;
  sigemptyset(&open_signals);
  while (wire->status == WIRE_OPEN) {
    int64_t now = clock_ms();
    if (!*deadline)
      *deadline = now + wire->idle_ms;
    int64_t until = *deadline < wire->expires_ms ? *deadline : wire->expires_ms;
    if (command && wire_is_terminated())
      return failed(wire, WIRE_TERMINATED);
    if (now >= wire->expires_ms)
      return failed(wire, WIRE_EXPIRED);
    if (now >= until)
      return failed(wire, WIRE_IDLE);
    struct timespec left = {(until - now) / 1000,
                            (until - now) % 1000 * 1000000};
    int r = ppoll(fds, 2, &left, command ? &open_signals : NULL);
    if (r > 0)
      return 1;
    if (r < 0 && errno != EINTR)
      return failed(wire, WIRE_ERROR);
  }
  return 0;
}

static void
ring(struct wire *wire)
{
  wire->alarm = -1;
  wire->alarmed = true;
}

/* Wait until the client takes more; not for long if others wait for what he
 * holds. 1 or 0. */
static int
wait_output(struct wire *wire, int64_t *deadline)
{
  struct pollfd fds[2] = {{wire->out, POLLOUT, 0}, {wire->alarm, POLLIN, 0}};
  if (!*deadline && wire->pressed && wire->idle_ms > PRESSED_MS)
    *deadline = clock_ms() + PRESSED_MS;
  while (wait_for(wire, fds, deadline, false)) {
    if (fds[0].revents)
      return 1;
    ring(wire);
    fds[1].fd = -1;
    if (*deadline > clock_ms() + PRESSED_MS)
      *deadline = clock_ms() + PRESSED_MS;
  }
  return 0;
}

void
wire_heed(struct wire *wire)
{
  struct pollfd fd = {wire->alarm, POLLIN, 0};
  if (wire->alarm >= 0 && poll(&fd, 1, 0) > 0)
    ring(wire);
}

bool
wire_push(struct wire *wire)
{
  if (!wire->output_used || wire->status != WIRE_OPEN)
    return true;
  ssize_t r = send(wire->out, wire->output, wire->output_used,
                   MSG_DONTWAIT | MSG_NOSIGNAL);
  if (r < 0)
    return errno != EAGAIN;
  wire->output_used -= (size_t)r;
  memmove(wire->output, wire->output + r, wire->output_used);
  return !wire->output_used;
}

int
wire_flush(struct wire *wire)
{
  size_t sent = 0;
  int64_t deadline = 0;
  while (sent < wire->output_used && wire->status == WIRE_OPEN) {
    char const *bytes = wire->output + sent;
    size_t n = wire->output_used - sent;
    /* What is said last leaves with the end of the connection. */
    int more = wire->closing ? MSG_MORE : 0;
    ssize_t r = send(wire->out, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL | more);
    if (r < 0 && errno == ENOTSOCK && wait_output(wire, &deadline))
      r = fd_write(wire->out, bytes, n);
    if (r >= 0)
      sent += (size_t)r;
    else if (errno == EAGAIN)
      wait_output(wire, &deadline);
    else if (errno != EINTR)
      failed(wire, WIRE_ERROR);
  }
  wire->output_used = 0;
  return wire->status == WIRE_OPEN;
}

/* Wait for input or the alarm. 1 or 0. */
static int
wait_input(struct wire *wire, int64_t *deadline, bool command)
{
  struct pollfd fds[2] = {{wire->in, POLLIN, 0}, {wire->alarm, POLLIN, 0}};
  if (wire->ready)
    return 1;
  if (!wait_for(wire, fds, deadline, command))
    return 0;
  if (!fds[1].revents)
    return 1;
  wire->ready = fds[0].revents != 0;
  ring(wire);
  return 0;
}

/* Read once more, what was said sent before. The bytes, or 0. */
static size_t
receive(struct wire *wire, int64_t *deadline, bool command,
        struct iovec const *room)
{
  if (!wire_flush(wire) || wire->alarmed ||
      !wait_input(wire, deadline, command))
    return 0;
  wire->ready = false;
  ssize_t r = fd_read(wire->in, room->iov_base, room->iov_len);
  if (r <= 0) {
    failed(wire, r ? WIRE_ERROR : WIRE_EOF);
    return 0;
  }
  wire->bytes_read += (uint64_t)r;
  transcript_packet(wire->transcript, (size_t)r);
  return (size_t)r;
}

/* Read into the input buffer. 1 or 0. */
static int
fill(struct wire *wire, int64_t *deadline, bool command)
{
  if (wire->begin == wire->end)
    wire->begin = wire->end = 0;
  if (wire->end >= READ_BYTES) {
    memmove(wire->input, wire->input + wire->begin, wire->end - wire->begin);
    wire->end -= wire->begin;
    wire->begin = 0;
  }
  struct iovec room = {wire->input + wire->end, READ_BYTES - wire->end};
  size_t n = receive(wire, deadline, command, &room);
  wire->end += n;
  return n > 0;
}

bool
wire_has_line(struct wire const *wire)
{
  return memchr(wire->input + wire->begin, '\n', wire->end - wire->begin) !=
         NULL;
}

/* Take what is a command line, or some of one. */
static void
take_line(struct wire *wire, size_t n)
{
  transcript_command(wire->transcript, wire->input + wire->begin, n);
  wire->begin += n;
}

enum wire_line
wire_line(struct wire *wire, char **line, size_t *n)
{
  int64_t deadline = 0;
  for (;;) {
    char *from = wire->input + wire->begin;
    size_t have = wire->end - wire->begin;
    char *lf = memchr(from, '\n', have);
    size_t length = lf ? (size_t)(lf - from) + 1 : have;
    if (have && *from == TLS_HANDSHAKE && !wire->too_long)
      return WIRE_LINE_TLS;
    if (lf && terminated) {
      failed(wire, WIRE_TERMINATED);
      return WIRE_LINE_FAILED;
    }
    bool too_long = wire->too_long || length > wire->line_max;
    wire->too_long = too_long && !lf;
    if (lf) {
      take_line(wire, length);
      *line = from;
      *n = length - 1 - (length > 1 && from[length - 2] == '\r');
      return too_long ? WIRE_LINE_TOO_LONG : WIRE_LINE;
    }
    if (too_long)
      take_line(wire, have);
    if (!fill(wire, &deadline, true))
      return wire->alarmed ? WIRE_LINE_ALARM : WIRE_LINE_FAILED;
  }
}

bool
wire_ready(struct wire *wire, int milliseconds)
{
  struct pollfd fds[2] = {{wire->in, POLLIN, 0}, {wire->alarm, POLLIN, 0}};
  if (!wire_flush(wire) || wire->ready || wire_has_line(wire))
    return true;
  int64_t left = milliseconds, deadline = clock_ms() + milliseconds;
  while (poll(fds, 2, (int)left) < 0 && errno == EINTR) {
    left = deadline - clock_ms();
    if (left < 0)
      left = 0;
  }
  wire->ready = fds[0].revents != 0;
  return wire->ready && !fds[1].revents;
}

bool
wire_has_input(struct wire const *wire)
{
  return wire->begin != wire->end;
}

size_t
wire_piece(struct wire *wire, char const **bytes)
{
  int64_t deadline = 0;
  if (wire->begin == wire->end && !fill(wire, &deadline, false))
    return 0;
  *bytes = wire->input + wire->begin;
  return wire->end - wire->begin;
}

void
wire_take(struct wire *wire, size_t n)
{
  transcript_body(wire->transcript, wire->input + wire->begin, n);
  wire->begin += n;
}

bool
wire_reads_ahead(struct wire const *wire)
{
  return wire->begin != wire->end || wire->transcript;
}

size_t
wire_read(struct wire *wire, char *bytes, size_t n)
{
  int64_t deadline = 0;
  struct iovec room = {bytes, n < WIRE_INPUT_BYTES ? n : WIRE_INPUT_BYTES};
  return receive(wire, &deadline, false, &room);
}

void
wire_unread(struct wire *wire, char const *bytes, size_t n)
{
  wire->begin = 0;
  wire->end = n;
  memcpy(wire->input, bytes, n);
}

size_t
wire_purge(struct wire *wire, char const **bytes)
{
  size_t n = wire->end - wire->begin;
  ssize_t r = recv(wire->in, wire->input + wire->end,
                   sizeof wire->input - wire->end, MSG_DONTWAIT);
  *bytes = wire->input + wire->begin;
  if (r > 0) {
    n += (size_t)r;
    wire->bytes_read += (uint64_t)r;
    transcript_packet(wire->transcript, (size_t)r);
  }
  transcript_drop(wire->transcript, *bytes, n);
  wire->begin = wire->end = 0;
  wire->ready = false;
  return n;
}

void
wire_say(struct wire *wire, char const *text)
{
  size_t n = strlen(text);
  if (n > WIRE_REPLY_MAX - 2)
    n = WIRE_REPLY_MAX - 2;
  transcript_reply(wire->transcript, text, n);
  if (n + 2 > sizeof wire->output - wire->output_used)
    wire_flush(wire);
  memcpy(wire->output + wire->output_used, text, n);
  memcpy(wire->output + wire->output_used + n, "\r\n", 2);
  wire->output_used += n + 2;
}

/* A close with input unread makes the kernel send a reset, which can overtake
 * the last reply: shut down, then read what still comes. */
void
wire_close(struct wire *wire, bool linger)
{
  int64_t deadline = clock_ms() + LINGER_MS;
  size_t dropped = 0;
  transcript_rest(wire->transcript, wire->input + wire->begin,
                  wire->end - wire->begin);
  if (wire->status == WIRE_EOF || wire->status == WIRE_ERROR)
    wire->output_used = 0;
  else
    wire->status = WIRE_OPEN; /* for the last reply */
  wire->closing = true;
  if (wire->expires_ms < deadline)
    wire->expires_ms = deadline;
  if (wire->idle_ms > LINGER_MS)
    wire->idle_ms = LINGER_MS;
  if (wire_flush(wire) && linger && shutdown(wire->out, SHUT_WR) == 0) {
    struct pollfd fds[2] = {{wire->in, POLLIN, 0}, {-1, 0, 0}};
    while (dropped < LINGER_BYTES && wait_for(wire, fds, &deadline, false)) {
      ssize_t r = fd_read(wire->in, wire->input, READ_BYTES);
      if (r <= 0)
        break;
      dropped += (size_t)r;
    }
  }
  close(wire->in);
  close(wire->out);
}
