#include "edge/tlsrelay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "lib/clock.h"

#define PIECE_BYTES 16384 /* a TLS record's */
/* For the client to take some of the last that was said, and then to go. */
#define DRAIN_MS 5000
#define LINGER_MS 2000

struct flow {
  size_t begin, end;
  bool over; /* nothing more comes in */
  bool told; /* and the other side knows */
  char bytes[PIECE_BYTES];
};

struct relay {
  SSL *ssl;
  int clear;
  struct flow up, down;       /* from the client, to him */
  bool deaf;                  /* nobody takes what the client says */
  bool broken;                /* the connection is of no more use */
  short tls_wait, clear_wait; /* what poll is to wait for */
  int64_t deadline;           /* set once nothing more is to be said */
};

static bool
is_empty(struct flow const *flow)
{
  return flow->begin == flow->end;
}

/* What OpenSSL wants before it goes on. Whether it wants anything. */
static bool
wants(struct relay *relay, int r)
{
  switch (SSL_get_error(relay->ssl, r)) {
  case SSL_ERROR_WANT_READ:
    relay->tls_wait |= POLLIN;
    return true;
  case SSL_ERROR_WANT_WRITE:
    relay->tls_wait |= POLLOUT;
    return true;
  default:
    return false;
  }
}

/* The client can be told nothing more: who writes to him is to hear of it. */
static void
break_off(struct relay *relay)
{
  relay->broken = true;
  relay->up.over = true;
  shutdown(relay->clear, SHUT_RD);
}

/* The functions that move bytes return whether they did. */

static bool
read_tls(struct relay *relay)
{
  struct flow *up = &relay->up;
  if (up->over || !is_empty(up))
    return false;
  ERR_clear_error();
  int r = SSL_read(relay->ssl, up->bytes, sizeof up->bytes);
  if (r > 0) {
    up->begin = 0;
    up->end = (size_t)r;
    return true;
  }
  if (wants(relay, r))
    return false;
  up->over = true;
  if (SSL_get_error(relay->ssl, r) != SSL_ERROR_ZERO_RETURN)
    break_off(relay);
  return true;
}

static bool
write_clear(struct relay *relay)
{
  struct flow *up = &relay->up;
  if (is_empty(up)) {
    if (!up->over || up->told)
      return false;
    shutdown(relay->clear, SHUT_WR);
    up->told = true;
    return true;
  }
  ssize_t r = 0;
  if (!relay->deaf)
    r = send(relay->clear, up->bytes + up->begin, up->end - up->begin,
             MSG_DONTWAIT | MSG_NOSIGNAL);
  if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
    relay->clear_wait |= POLLOUT;
    return false;
  }
  if (r > 0)
    up->begin += (size_t)r;
  else
    up->begin = up->end;
  relay->deaf = relay->deaf || r < 0;
  return true;
}

static bool
read_clear(struct relay *relay)
{
  struct flow *down = &relay->down;
  if (down->over || !is_empty(down))
    return false;
  ssize_t r = recv(relay->clear, down->bytes, sizeof down->bytes, MSG_DONTWAIT);
  if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
    relay->clear_wait |= POLLIN;
    return false;
  }
  if (r > 0) {
    down->begin = 0;
    down->end = (size_t)r;
    return true;
  }
  down->over = true;
  relay->deadline = clock_ms() + DRAIN_MS;
  return true;
}

/* close_notify, then the end of what TCP has for the client. */
static bool
end_tls(struct relay *relay)
{
  if (!relay->down.over || relay->down.told)
    return false;
  ERR_clear_error();
  int r = SSL_shutdown(relay->ssl);
  if (r < 0 && wants(relay, r))
    return false;
  shutdown(SSL_get_fd(relay->ssl), SHUT_WR);
  relay->down.told = true;
  relay->deadline = clock_ms() + LINGER_MS;
  return true;
}

static bool
write_tls(struct relay *relay)
{
  struct flow *down = &relay->down;
  if (is_empty(down))
    return end_tls(relay);
  ERR_clear_error();
  int r = SSL_write(relay->ssl, down->bytes + down->begin,
                    (int)(down->end - down->begin));
  if (r > 0) {
    down->begin += (size_t)r;
    if (relay->deadline)
      relay->deadline = clock_ms() + DRAIN_MS;
    return true;
  }
  if (wants(relay, r))
    return false;
  break_off(relay);
  return true;
}

/* Whether both ways are done, or the connection can bring no more. */
static bool
is_done(struct relay const *relay)
{
  bool quiet = is_empty(&relay->up) && relay->up.over && relay->up.told;
  if (relay->broken)
    return is_empty(&relay->up) || relay->deaf;
  return (quiet && relay->down.told) ||
         (relay->deadline && clock_ms() >= relay->deadline);
}

/* Unless something moved, wait. While the client takes nothing, the end of what
 * is said to him is not read: that who says it is gone is seen here. */
static void
wait_for(struct relay *relay, bool moved)
{
  int clear = relay->clear_wait || !relay->deadline ? relay->clear : -1;
  struct pollfd fds[2] = {
      {relay->tls_wait ? SSL_get_fd(relay->ssl) : -1, relay->tls_wait, 0},
      {clear, relay->clear_wait, 0}};
  int64_t left = moved ? 0 : -1;
  if (relay->deadline && !moved) {
    left = relay->deadline - clock_ms();
    left = left > 0 ? left : 0;
  }
  if (poll(fds, 2, (int)left) > 0 && (fds[1].revents & POLLHUP) &&
      !relay->deadline)
    relay->deadline = clock_ms() + DRAIN_MS;
}

/* All directions once. Whether anything moved. */
static bool
move(struct relay *relay)
{
  bool moved = false;
  relay->tls_wait = relay->clear_wait = 0;
  if (!relay->broken) {
    moved = read_clear(relay) || moved;
    moved = write_tls(relay) || moved;
    moved = read_tls(relay) || moved;
  }
  return write_clear(relay) || moved;
}

void
tlsrelay_run(SSL *ssl, int clear)
{
  struct relay relay;
  relay.ssl = ssl;
  relay.clear = clear;
  relay.up.begin = relay.up.end = 0;
  relay.up.over = relay.up.told = false;
  relay.down.begin = relay.down.end = 0;
  relay.down.over = relay.down.told = false;
  relay.deaf = relay.broken = false;
  relay.tls_wait = relay.clear_wait = 0;
  relay.deadline = 0;
  while (!is_done(&relay)) {
    bool moved = move(&relay);
    if (!moved || relay.deaf)
      wait_for(&relay, moved);
  }
}
