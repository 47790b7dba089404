#include "edge/tlskeys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <skalibs/strerr.h>

#include "lib/exitcode.h"
#include "lib/log.h"

#define PATH TLSKEYS_DEFAULT ".pem"
#define FRESH ".default.new"
#define COMMON_NAME_MAX 64 /* RFC 5280, ub-common-name */
#define DAY 86400L
#define DAYS 3650L

static int
set_serial(X509 *certificate)
{
  unsigned char random[16];
  if (RAND_bytes(random, sizeof random) != 1)
    return 0;
  random[0] = (unsigned char)((random[0] & 0x7f) | 0x40);
  BIGNUM *number = BN_bin2bn(random, sizeof random, NULL);
  int done =
      number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  return done;
}

static int
set_names(X509 *certificate, char const *host)
{
  char names[sizeof "DNS:" + 255];
  X509_NAME *subject = X509_get_subject_name(certificate);
  char const *common = strlen(host) > COMMON_NAME_MAX ? "mail" : host;
  if (!X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                  (unsigned char const *)common, -1, -1, 0) ||
      !X509_set_issuer_name(certificate, subject))
    return 0;
  snprintf(names, sizeof names, "DNS:%s", host);
  X509_EXTENSION *extension =
      X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
  int done = extension && X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return done;
}

static X509 *
make_certificate(EVP_PKEY *secret, char const *host)
{
  X509 *certificate = X509_new();
  if (certificate && X509_set_version(certificate, X509_VERSION_3) &&
      set_serial(certificate) &&
      X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) &&
      X509_gmtime_adj(X509_getm_notAfter(certificate), DAYS * DAY) &&
      set_names(certificate, host) && X509_set_pubkey(certificate, secret) &&
      X509_sign(certificate, secret, EVP_sha256()))
    return certificate;
  X509_free(certificate);
  return NULL;
}

/* 1 or 0. */
static int
write_pem(EVP_PKEY *secret, X509 *certificate)
{
  int fd =
      open(FRESH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  if (!file) {
    if (fd >= 0)
      close(fd);
    return 0;
  }
  int done = PEM_write_PrivateKey(file, secret, NULL, NULL, 0, NULL, NULL) &&
             PEM_write_X509(file, certificate) && !fflush(file) && !fsync(fd);
  return !fclose(file) && done;
}

void
tlskeys_make(char const *host)
{
  struct log log;
  if (!access(PATH, F_OK) || errno != ENOENT)
    return;
  EVP_PKEY *secret = EVP_EC_gen("P-256");
  X509 *certificate = secret ? make_certificate(secret, host) : NULL;
  if (!certificate)
    strerr_dief(EXIT_TEMPORARY, "unable to make a certificate for ", host);
  if (!write_pem(secret, certificate) || rename(FRESH, PATH) < 0)
    strerr_diefusys(EXIT_TEMPORARY, "write ", PATH);
  X509_free(certificate);
  EVP_PKEY_free(secret);
  log_start(&log, "self-signed certificate made");
  log_string(&log, "file", PATH);
  log_string(&log, "name", host);
  log_write(&log);
}
