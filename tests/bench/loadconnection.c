#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

int64_t
load_now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Many addresses, as in life: some servers count the connections of one. */
static int
open_socket(unsigned turn)
{
  struct sockaddr_in source = {.sin_family = AF_INET};
  int yes = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  source.sin_addr.s_addr =
      htonl(0x7f010000U + turn / 250 * 256 % 65536 + turn % 250 + 1);
  setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  bind(fd, (struct sockaddr *)&source, sizeof source);
  return fd;
}

static void
watch(struct load *load, struct connection *c, int operation)
{
  struct epoll_event event = {
      .events = EPOLLIN | (c->wants_write ? EPOLLOUT : 0U), .data.ptr = c};
  epoll_ctl(load->epoll, operation, c->fd, &event);
}

bool
load_connect(struct load *load)
{
  struct sockaddr_in server = {.sin_family = AF_INET,
                               .sin_port = htons(load->plan.port)};
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (load->unused_count == 0)
    return false;
  int fd = open_socket(load->sources++);
  if (fd < 0)
    return false;
  struct connection *c = load->connections + load->unused[--load->unused_count];
  *c = (struct connection){.fd = fd, .since_ms = load_now_ms()};
  load->totals.connections++;
  load->totals.open++;
  if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 &&
      errno != EINPROGRESS) {
    load->totals.refused++;
    load_close(load, c);
    return true;
  }
  watch(load, c, EPOLL_CTL_ADD);
  return true;
}

void
load_close(struct load *load, struct connection *c)
{
  close(c->fd);
  c->fd = -1;
  load->totals.open--;
  load->totals.quitting -= c->phase == PHASE_QUIT;
  load->unused[load->unused_count++] = (unsigned)(c - load->connections);
}

static void
say(struct connection *c, enum phase phase, char const *line)
{
  /* There is room for one command in a socket whose other end has answered; and
   * one that has ended says so when it is read. */
  (void)!send(c->fd, line, strlen(line), MSG_NOSIGNAL);
  c->phase = phase;
}

static void
send_body(struct load *load, struct connection *c)
{
  while (c->body_sent < load->plan.body_bytes) {
    ssize_t n = send(c->fd, load->plan.body + c->body_sent,
                     load->plan.body_bytes - c->body_sent, MSG_NOSIGNAL);
    if (n < 0)
      break; /* a connection that ended says so when it is read */
    c->body_sent += (size_t)n;
  }
  bool wants = c->body_sent < load->plan.body_bytes;
  if (wants != c->wants_write) {
    c->wants_write = wants;
    watch(load, c, EPOLL_CTL_MOD);
  }
}

static void
next_message(struct load *load, struct connection *c)
{
  struct plan const *plan = &load->plan;
  /* Who has connected sends one message at least: none connects for nothing. */
  if (c->messages && (load->ending || (plan->a_connection &&
                                       c->messages >= plan->a_connection))) {
    say(c, PHASE_QUIT, "QUIT\r\n");
    load->totals.quitting++;
    return;
  }
  c->messages++;
  load->totals.begun++;
  c->since_ms = load_now_ms();
  say(c, PHASE_MAIL, "MAIL FROM:<sender@client.example>\r\n");
}

static void
note_longest(int64_t *longest, int64_t ms)
{
  if (ms > *longest)
    *longest = ms;
}

/* The reply's last line has come, and it is a 2xx or 3xx. */
static void
go_on(struct load *load, struct connection *c)
{
  struct totals *totals = &load->totals;
  switch (c->phase) {
  case PHASE_GREETING:
    note_longest(&totals->greeted_ms, load_now_ms() - c->since_ms);
    say(c, PHASE_EHLO, "EHLO client.example\r\n");
    break;
  case PHASE_EHLO:
    totals->waiting += load->plan.idle;
    if (!load->plan.idle)
      next_message(load, c);
    break;
  case PHASE_MAIL:
    say(c, PHASE_RCPT, "RCPT TO:<user@trap.example>\r\n");
    break;
  case PHASE_RCPT:
    say(c, PHASE_DATA, "DATA\r\n");
    break;
  case PHASE_DATA:
    c->phase = PHASE_BODY;
    c->body_sent = 0;
    send_body(load, c);
    break;
  case PHASE_BODY:
    totals->stored++;
    totals->last_ms = load_now_ms();
    note_longest(&totals->stored_ms, totals->last_ms - c->since_ms);
    next_message(load, c);
    break;
  case PHASE_QUIT:
    load_close(load, c);
    break;
  }
}

static void
hear(struct load *load, struct connection *c)
{
  switch (c->code[0]) {
  case '2':
  case '3':
    go_on(load, c);
    return;
  case '4':
    load->totals.later++;
    break;
  default:
    load->totals.never++;
  }
  load->totals.last_ms = load_now_ms();
  load_close(load, c);
}

static void
scan(struct load *load, struct connection *c, char const *bytes, size_t n)
{
  for (size_t i = 0; i < n && c->fd >= 0; i++) {
    if (bytes[i] != '\n') {
      if (c->seen < sizeof c->code)
        c->code[c->seen++] = bytes[i];
      continue;
    }
    bool last = c->seen < sizeof c->code || c->code[3] != '-';
    c->seen = 0;
    if (last)
      hear(load, c);
  }
}

void
load_serve(struct load *load, struct connection *c)
{
  char bytes[4096];
  if (c->wants_write)
    send_body(load, c);
  ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
  if (n > 0) {
    scan(load, c, bytes, (size_t)n);
  } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
    if (n < 0 && errno == ECONNREFUSED)
      load->totals.refused++;
    else if (c->phase != PHASE_QUIT)
      load->totals.lost++;
    load_close(load, c);
  }
}
