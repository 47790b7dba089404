#include "edge/tlssession.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "edge/ja4.h"
#include "edge/tlsconfine.h"
#include "edge/tlskeys.h"
#include "edge/tlsrelay.h"
#include "lib/clock.h"
#include "lib/fdpass.h"
#include "lib/tlsborrow.h"

struct facts {
  char name[TLSKEYS_NAME_MAX + 1];
  char ja4[JA4_BYTES];
};

/* 1 or 0. */
static int
wait_for(int fd, short events, int64_t deadline)
{
  struct pollfd poller = {fd, events, 0};
  for (;;) {
    int64_t left = deadline - clock_ms();
    int r = left > 0 ? poll(&poller, 1, (int)left) : 0;
    if (r >= 0 || errno != EINTR)
      return r > 0;
  }
}

/* The client's socket, or -1. */
static int
receive_client(int borrower, int64_t deadline)
{
  int fds[FDPASS_MAX];
  size_t n = 0;
  char byte = 0;
  if (wait_for(borrower, POLLIN, deadline) &&
      fdpass_receive(borrower, &byte, fds, &n) > 0 && byte == TLS_CLIENT &&
      n == 1)
    return fds[0];
  return -1;
}

static void
see_message(int is_write, int version, int type, void const *bytes, size_t n,
            SSL *ssl, void *context)
{
  struct facts *facts = context;
  (void)version;
  (void)ssl;
  if (!is_write && type == SSL3_RT_HANDSHAKE && n && !facts->ja4[0] &&
      *(unsigned char const *)bytes == SSL3_MT_CLIENT_HELLO)
    ja4_fingerprint(bytes, n, facts->ja4);
}

/* The name that the client asks for, if it can be one. */
static void
take_name(struct facts *facts, char const *name)
{
  size_t n = name ? strlen(name) : 0;
  if (n > TLSKEYS_NAME_MAX)
    return;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)name[i];
    if (!isalnum(c) && c != '-' && c != '.' && c != '_') {
      facts->name[0] = 0;
      return;
    }
    facts->name[i] = (char)tolower(c);
  }
  facts->name[n] = 0;
}

static int
choose_key(SSL *ssl, void *context)
{
  struct facts *facts = context;
  take_name(facts, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  return tlskeys_use(ssl, facts->name[0] ? facts->name : NULL);
}

/* Returns NULL, or why not. */
static char const *
shake_hands(SSL *ssl, int client, int64_t deadline)
{
  for (;;) {
    ERR_clear_error();
    errno = 0;
    int r = SSL_accept(ssl);
    int reason = errno;
    if (r == 1)
      return NULL;
    switch (SSL_get_error(ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      if (!wait_for(client, SSL_want_write(ssl) ? POLLOUT : POLLIN, deadline))
        return "no handshake in time";
      break;
    case SSL_ERROR_SSL: {
      char const *text = ERR_reason_error_string(ERR_peek_error());
      return text ? text : "unknown";
    }
    default:
      return reason ? strerror(reason) : "the client went away";
    }
  }
}

static void
say(int borrower, char const *text)
{
  size_t n = strlen(text);
  while (n) {
    ssize_t r = send(borrower, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (r < 0)
      return;
    text += r;
    n -= (size_t)r;
  }
}

static void
say_facts(int borrower, SSL const *ssl, struct facts const *facts)
{
  char text[TLS_TEXT_MAX + 1];
  int n = snprintf(text, sizeof text, "tls.version=%s\ntls.cipher=%s\n",
                   SSL_get_version(ssl), SSL_get_cipher_name(ssl));
  if (facts->name[0])
    n += snprintf(text + n, sizeof text - (size_t)n, "tls.sni=%s\n",
                  facts->name);
  if (facts->ja4[0])
    n +=
        snprintf(text + n, sizeof text - (size_t)n, "tls.ja4=%s\n", facts->ja4);
  if (SSL_session_reused(ssl))
    snprintf(text + n, sizeof text - (size_t)n, "tls.resumed=1\n");
  say(borrower, text);
}

/* A TLS connection on client with the facts kept in *facts, or NULL. */
static SSL *
open_tls(SSL_CTX *context, int client, struct facts *facts)
{
  int one = 1;
  int flags = fcntl(client, F_GETFL);
  SSL *ssl = SSL_new(context);
  if (!ssl || flags < 0 || fcntl(client, F_SETFL, flags | O_NONBLOCK) < 0 ||
      !SSL_set_fd(ssl, client))
    return NULL;
  /* What follows the session ticket would wait for its acknowledgement. */
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  SSL_set_cert_cb(ssl, choose_key, facts);
  SSL_set_msg_callback(ssl, see_message);
  SSL_set_msg_callback_arg(ssl, facts);
  return ssl;
}

void
tlssession_run(SSL_CTX *context, int borrower)
{
  int64_t deadline = clock_ms() + TLS_HANDSHAKE_MS;
  struct facts facts = {"", ""};
  int pair[2];
  if (fdpass_send(borrower, TLS_READY, NULL, 0) < 0)
    return;
  int client = receive_client(borrower, deadline);
  if (client < 0 ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return;
  tlsconfine();
  SSL *ssl = open_tls(context, client, &facts);
  char const *wrong = ssl ? shake_hands(ssl, client, deadline) : "no memory";
  if (wrong) {
    fdpass_send(borrower, TLS_FAILED, NULL, 0);
    say(borrower, wrong);
    return;
  }
  SSL_set_msg_callback(ssl, NULL);
  /* Who resumes a session of TLS 1.2 was asked for no key. */
  take_name(&facts, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  if (fdpass_send(borrower, TLS_OPEN, pair + 1, 1) < 0)
    return;
  say_facts(borrower, ssl, &facts);
  close(borrower);
  close(pair[1]);
  tlsrelay_run(ssl, pair[0]);
}
