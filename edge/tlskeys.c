#include "edge/tlskeys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "edge/tlsfile.h"
#include "lib/log.h"

#define SUFFIX ".pem"
#define FILE_MAX 262144
#define KIND_RSA "+rsa"

struct key {
  char name[TLSKEYS_NAME_MAX + 1];
  bool seen;              /* its file is there */
  struct tlsfile file;    /* as it was when it was read */
  X509 *certificate;      /* NULL: it cannot be used */
  STACK_OF(X509) * chain; /* those behind it */
  EVP_PKEY *secret;
};

static struct key keys[TLSKEYS_MAX];
static size_t used;

static void
drop(struct key *key)
{
  X509_free(key->certificate);
  EVP_PKEY_free(key->secret);
  sk_X509_pop_free(key->chain, X509_free);
  key->certificate = NULL;
  key->secret = NULL;
  key->chain = NULL;
}

/* Nobody is there to be asked for a passphrase. */
static int
no_passphrase(char *out, int size, int writing, void *context)
{
  (void)out;
  (void)size;
  (void)writing;
  (void)context;
  return -1;
}

/* Returns what is wrong, or NULL. */
static char const *
read_pem(struct key *key, BIO *bio)
{
  X509 *next;
  key->secret = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
  if (!key->secret)
    return "no private key without a passphrase in it";
  if (BIO_reset(bio) != 1)
    return "unable to read it again";
  key->certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
  if (!key->certificate)
    return "no certificate in it";
  if (!X509_check_private_key(key->certificate, key->secret))
    return "the first certificate is not the key's";
  key->chain = sk_X509_new_null();
  while (key->chain &&
         (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
    if (!sk_X509_push(key->chain, next)) {
      X509_free(next);
      break;
    }
  return key->chain ? NULL : strerror(ENOMEM);
}

static char const *
read_key(struct key *key, char const *path)
{
  static char bytes[FILE_MAX];
  size_t n;
  char const *wrong = tlsfile_read(path, bytes, sizeof bytes, &n);
  if (wrong)
    return wrong;
  BIO *bio = BIO_new_mem_buf(bytes, (int)n);
  wrong = bio ? read_pem(key, bio) : strerror(ENOMEM);
  BIO_free(bio);
  OPENSSL_cleanse(bytes, n);
  ERR_clear_error();
  return wrong;
}

static void
log_key(char const *path, char const *wrong, X509 const *certificate)
{
  struct log log;
  int days, seconds;
  log_start(&log, wrong ? "error: unable to use a key" : "key read");
  log_string(&log, "file", path);
  if (wrong)
    log_string(&log, "error", wrong);
  else if (ASN1_TIME_diff(&days, &seconds, NULL,
                          X509_get0_notAfter(certificate)))
    log_number(&log, "days", days > 0 ? (uint64_t)days : 0);
  log_write(&log);
}

static struct key *
find(char const *name)
{
  for (size_t i = 0; i < used; i++)
    if (!strcasecmp(keys[i].name, name))
      return keys + i;
  return NULL;
}

/* One file of the directory. */
static void
update(char const *path, size_t name_bytes)
{
  struct tlsfile file;
  struct key fresh = {.seen = true};
  memcpy(fresh.name, path, name_bytes);
  struct key *key = find(fresh.name);
  if (!tlsfile_stat(path, &file) || (!key && used == TLSKEYS_MAX))
    return;
  if (!key)
    key = keys + used++;
  else if (tlsfile_is_same(&key->file, &file)) {
    key->seen = true;
    return;
  }
  char const *wrong = read_key(&fresh, path);
  log_key(path, wrong, fresh.certificate);
  if (wrong) {
    drop(&fresh);
    memcpy(key->name, fresh.name, sizeof key->name);
  } else {
    drop(key);
    *key = fresh;
  }
  key->seen = true;
  key->file = file;
}

static int
is_usable(struct key const *key)
{
  return key && key->certificate;
}

int
tlskeys_update(void)
{
  struct dirent *entry;
  DIR *directory = opendir(".");
  if (!directory)
    return is_usable(find(TLSKEYS_DEFAULT));
  for (size_t i = 0; i < used; i++)
    keys[i].seen = false;
  while ((entry = readdir(directory))) {
    size_t n = strlen(entry->d_name);
    if (entry->d_name[0] == '.' || n < sizeof SUFFIX ||
        n - (sizeof SUFFIX - 1) > TLSKEYS_NAME_MAX)
      continue;
    n -= sizeof SUFFIX - 1;
    if (!strcmp(entry->d_name + n, SUFFIX))
      update(entry->d_name, n);
  }
  closedir(directory);
  for (size_t i = used; i--;) {
    if (keys[i].seen || !strcmp(keys[i].name, TLSKEYS_DEFAULT))
      continue;
    drop(keys + i);
    keys[i] = keys[--used];
  }
  return is_usable(find(TLSKEYS_DEFAULT));
}

/* The key for a name, for all names of its domain, or for all others; of those
 * of a kind, that is with the same end to their names. */
static struct key const *
choose(char const *name, char const *kind)
{
  char full[TLSKEYS_NAME_MAX + sizeof KIND_RSA + 1];
  char const *dot = name ? strchr(name, '.') : NULL;
  struct key const *key = NULL;
  if (name)
    key = find(strcat(strcpy(full, name), kind));
  if (!is_usable(key) && dot) {
    strcpy(stpcpy(full, "*"), dot);
    key = find(strcat(full, kind));
  }
  if (!is_usable(key))
    key = find(strcat(strcpy(full, TLSKEYS_DEFAULT), kind));
  return is_usable(key) ? key : NULL;
}

static int
use(SSL *ssl, struct key const *key)
{
  return key && SSL_use_cert_and_key(ssl, key->certificate, key->secret,
                                     key->chain, 1);
}

int
tlskeys_use(SSL *ssl, char const *name)
{
  int done = use(ssl, choose(name, ""));
  use(ssl, choose(name, KIND_RSA));
  return done;
}
