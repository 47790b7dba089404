/* Session tickets over the life of their keys, in handshakes in memory. */
#include "edge/tlstickets.h"

#include <stdbool.h>

#include "edge/tlskeys.h"
#include "edge/tlspolicy.h"
#include "tests/unit/tap.h"

#define SECONDS 100

static SSL_CTX *server, *client;
static SSL_SESSION *kept; /* of the last handshake that gave one */

static int
keep(SSL *ssl, SSL_SESSION *session)
{
  (void)ssl;
  SSL_SESSION_free(kept);
  kept = session;
  return 1;
}

static bool
use_key(void)
{
  EVP_PKEY *secret = EVP_EC_gen("P-256");
  X509 *certificate = X509_new();
  bool done = secret && certificate &&
              X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
              X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) &&
              X509_set_pubkey(certificate, secret) &&
              X509_sign(certificate, secret, EVP_sha256()) &&
              SSL_CTX_use_certificate(server, certificate) == 1 &&
              SSL_CTX_use_PrivateKey(server, secret) == 1;
  X509_free(certificate);
  EVP_PKEY_free(secret);
  return done;
}

/* Whether a handshake at that time resumed a session. -1: it failed. */
static int
resumes(SSL_SESSION *session, int64_t now_s)
{
  SSL *ends[2] = {SSL_new(client), SSL_new(server)};
  BIO *wires[2];
  char byte;
  int result = -1;
  tlstickets_update(now_s * 1000, SECONDS);
  if (ends[0] && ends[1] && BIO_new_bio_pair(wires, 0, wires + 1, 0) == 1) {
    for (int i = 0; i < 2; i++)
      SSL_set_bio(ends[i], wires[i], wires[i]);
    SSL_set_connect_state(ends[0]);
    SSL_set_accept_state(ends[1]);
    /* A copy: OpenSSL takes each of TLS 1.3 once. */
    SSL_SESSION *copy = session ? SSL_SESSION_dup(session) : NULL;
    if (copy)
      SSL_set_session(ends[0], copy);
    SSL_SESSION_free(copy);
    for (int i = 0; i < 20; i++)
      SSL_read(ends[i % 2], &byte, 1);
    if (SSL_is_init_finished(ends[0]) && SSL_is_init_finished(ends[1]))
      result = SSL_session_reused(ends[1]);
    if (!kept)
      kept = SSL_get1_session(ends[0]);
    SSL_shutdown(ends[0]);
  }
  SSL_free(ends[0]);
  SSL_free(ends[1]);
  return result;
}

static SSL_SESSION *
take_kept(void)
{
  SSL_SESSION *session = kept;
  kept = NULL;
  return session;
}

static void
check_version(int version, int64_t start_s)
{
  SSL_CTX_set_max_proto_version(client, version);
  tap_is_number(resumes(NULL, start_s), 0, "a full handshake");
  SSL_SESSION *session = take_kept();
  tap_ok(session != NULL, "... gives a ticket");
  tap_is_number(resumes(session, start_s + SECONDS - 1), 1, "which is good");
  SSL_SESSION_free(take_kept());
  tap_is_number(resumes(session, start_s + SECONDS), 1,
                "... under the next key");
  SSL_SESSION *fresh = take_kept();
  tap_ok(fresh != NULL, "... which gives a new one");
  tap_is_number(resumes(session, start_s + 2 * SECONDS), 0,
                "... and no more after that");
  SSL_SESSION_free(take_kept());
  tap_is_number(resumes(fresh, start_s + 2 * SECONDS), 1, "the new one is");
  SSL_SESSION_free(take_kept());
  tap_is_number(resumes(fresh, start_s + 5 * SECONDS), 0,
                "no key opens tickets after a long silence");
  SSL_SESSION_free(take_kept());
  SSL_SESSION_free(session);
  SSL_SESSION_free(fresh);
}

int
main(void)
{
  server = tlspolicy_context();
  client = SSL_CTX_new(TLS_client_method());
  if (!server || !client || !use_key() || !tlstickets_begin(server)) {
    tap_ok(0, "contexts");
    return tap_done();
  }
  SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT |
                                             SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(client, keep);
  check_version(TLS1_2_VERSION, 1000);
  check_version(TLS1_3_VERSION, 5000);
  SSL_CTX_free(client);
  SSL_CTX_free(server);
  return tap_done();
}
