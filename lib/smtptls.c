#include "lib/smtptls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Only ever a pointer to an SSL: callers need not know OpenSSL. */
#define SSL_OF(tls) ((SSL *)(tls))

static char error_text[200];

char const *
smtptls_error(void)
{
  return error_text;
}

static void
set_error(char const *fallback)
{
  unsigned long code = ERR_get_error();
  char const *reason = code ? ERR_reason_error_string(code) : NULL;
  snprintf(error_text, sizeof error_text, "TLS: %s",
           reason ? reason : fallback);
  ERR_clear_error();
}

/* What all connections share; NULL if it cannot be had. */
static SSL_CTX *
context(void)
{
  static SSL_CTX *shared;
  if (!shared) {
    shared = SSL_CTX_new(TLS_client_method());
    if (shared) {
      SSL_CTX_set_min_proto_version(shared, TLS1_2_VERSION);
      SSL_CTX_set_default_verify_paths(shared);
      SSL_CTX_set_mode(shared, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
  }
  return shared;
}

static bool
is_address(char const *host)
{
  unsigned char bytes[16];
  return inet_pton(AF_INET, host, bytes) == 1 ||
         inet_pton(AF_INET6, host, bytes) == 1;
}

/* Whom we want to talk to. */
static bool
name_host(SSL *ssl, char const *host, bool verify)
{
  X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
  if (!is_address(host) && !SSL_set_tlsext_host_name(ssl, host))
    return false;
  if (!verify)
    return true;
  SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
  return (is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host)
                           : X509_VERIFY_PARAM_set1_host(wanted, host, 0)) == 1;
}

struct smtptls *
smtptls_new(int fd, char const *host, bool verify)
{
  SSL_CTX *shared = context();
  SSL *ssl = shared ? SSL_new(shared) : NULL;
  if (ssl && SSL_set_fd(ssl, fd) == 1 && name_host(ssl, host, verify))
    return (struct smtptls *)ssl;
  set_error("no memory");
  SSL_free(ssl);
  return NULL;
}

void
smtptls_free(struct smtptls *tls)
{
  SSL_free(SSL_OF(tls));
}

/* What a call that failed has to wait for, or errno. */
static int
failed(struct smtptls *tls, int result, short *wants)
{
  int reason = errno;
  long verdict = SSL_get_verify_result(SSL_OF(tls));
  switch (SSL_get_error(SSL_OF(tls), result)) {
  case SSL_ERROR_WANT_READ:
    *wants = POLLIN;
    errno = EAGAIN;
    return -1;
  case SSL_ERROR_WANT_WRITE:
    *wants = POLLOUT;
    errno = EAGAIN;
    return -1;
  case SSL_ERROR_ZERO_RETURN:
    return 0;
  case SSL_ERROR_SYSCALL:
    set_error(reason ? strerror(reason) : "the connection was closed");
    break;
  default:
    if (verdict != X509_V_OK &&
        SSL_get_verify_mode(SSL_OF(tls)) != SSL_VERIFY_NONE) {
      ERR_clear_error();
      set_error(X509_verify_cert_error_string(verdict));
    } else
      set_error("failed");
  }
  errno = EPROTO;
  return -1;
}

int
smtptls_handshake(struct smtptls *tls, short *wants)
{
  ERR_clear_error();
  errno = 0;
  int result = SSL_connect(SSL_OF(tls));
  if (result == 1)
    return 0;
  if (failed(tls, result, wants) == 0) {
    set_error("the connection was closed");
    errno = EPROTO;
  }
  return -1;
}

ssize_t
smtptls_read(struct smtptls *tls, char *bytes, size_t n, short *wants)
{
  size_t got;
  ERR_clear_error();
  errno = 0;
  int result = SSL_read_ex(SSL_OF(tls), bytes, n, &got);
  return result == 1 ? (ssize_t)got : failed(tls, result, wants);
}

ssize_t
smtptls_write(struct smtptls *tls, char const *bytes, size_t n, short *wants)
{
  size_t sent;
  ERR_clear_error();
  errno = 0;
  int result = SSL_write_ex(SSL_OF(tls), bytes, n, &sent);
  return result == 1 ? (ssize_t)sent : failed(tls, result, wants);
}

char const *
smtptls_version(struct smtptls const *tls)
{
  return SSL_get_version((SSL const *)tls);
}
