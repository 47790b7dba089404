#include "edge/tlstickets.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/rand.h>

#define NAME_BYTES 16 /* RFC 5077 section 4 */

struct ticket_key {
  bool set;
  int64_t made_ms;
  unsigned char name[NAME_BYTES], cipher[32], digest[32];
};

static struct ticket_key current, before;

static int
make_key(struct ticket_key *key, int64_t now_ms)
{
  key->made_ms = now_ms;
  key->set = RAND_bytes(key->name, sizeof key->name) == 1 &&
             RAND_priv_bytes(key->cipher, sizeof key->cipher) == 1 &&
             RAND_priv_bytes(key->digest, sizeof key->digest) == 1;
  return key->set;
}

int
tlstickets_update(int64_t now_ms, uint32_t seconds)
{
  int64_t most_ms = (int64_t)seconds * 1000;
  if (before.set && now_ms - before.made_ms >= 2 * most_ms)
    OPENSSL_cleanse(&before, sizeof before);
  if (current.set && now_ms - current.made_ms < most_ms)
    return 1;
  if (current.set && now_ms - current.made_ms < 2 * most_ms)
    before = current;
  return make_key(&current, now_ms);
}

static int
use(struct ticket_key *key, unsigned char *vector, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *digest, int encrypts)
{
  OSSL_PARAM const parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->digest,
                                        sizeof key->digest),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                       (char[]){"SHA256"}, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(digest, parameters) &&
         EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, vector,
                           encrypts);
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) has it: 2 is a ticket that is good
 * and to be replaced. */
static int
choose(SSL *ssl, unsigned char *name, unsigned char *vector,
       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *digest, int encrypts)
{
  struct ticket_key *key = &current;
  (void)ssl;
  if (!current.set)
    return 0;
  if (encrypts) {
    memcpy(name, current.name, NAME_BYTES);
    if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
      return -1;
  } else if (before.set && !memcmp(name, before.name, NAME_BYTES))
    key = &before;
  else if (memcmp(name, current.name, NAME_BYTES) != 0)
    return 0;
  if (!use(key, vector, cipher, digest, encrypts))
    return -1;
  return key == &current ? 1 : 2;
}

int
tlstickets_begin(SSL_CTX *context)
{
  return (int)SSL_CTX_set_tlsext_ticket_key_evp_cb(context, choose);
}
