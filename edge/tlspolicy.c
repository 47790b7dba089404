#include "edge/tlspolicy.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>

#include <skalibs/strerr.h>

#include "edge/tlsfile.h"
#include "lib/exitcode.h"
#include "lib/log.h"

#define FILE_MAX 4096
#define DEFAULT_VERSION TLS1_2_VERSION
/* Below TLS 1.2 signatures are made with SHA-1. */
#define LEVEL_FOR_OLD 0

struct policy {
  int minimum;
  char const *ciphers;
  char const *suites;
};

/* So that OpenSSL keeps the name with a session. */
static int
take_any_name(SSL *ssl, int *alert, void *context)
{
  (void)ssl;
  (void)alert;
  (void)context;
  return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *
tlspolicy_context(void)
{
  SSL_CTX *context = NULL;
  /* The host's openssl.cnf is for its programs: the policy is all here. */
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
    context = SSL_CTX_new(TLS_server_method());
  if (!context || !SSL_CTX_set_min_proto_version(context, DEFAULT_VERSION) ||
      !SSL_CTX_set_session_id_context(context, (unsigned char const *)"trap",
                                      4))
    strerr_dief(EXIT_TEMPORARY, "unable to set up OpenSSL");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  /* Else a client that sends nothing but key updates keeps SSL_read() at it for
   * as long as he likes, past all limits. */
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_dh_auto(context, 1);
  SSL_CTX_set_tlsext_servername_callback(context, take_any_name);
  return context;
}

static int
read_version(char const *text)
{
  static struct {
    char const *text;
    int version;
  } const versions[] = {{"1.0", TLS1_VERSION},
                        {"1.1", TLS1_1_VERSION},
                        {"1.2", TLS1_2_VERSION},
                        {"1.3", TLS1_3_VERSION}};
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
    if (!strcmp(versions[i].text, text))
      return versions[i].version;
  return 0;
}

/* One line; blank ones and remarks are none. Returns what is wrong, or NULL. */
static char const *
read_line(struct policy *policy, char *line)
{
  line += strspn(line, " \t");
  size_t word = strcspn(line, " \t"), end = strlen(line);
  while (end && strchr(" \t", line[end - 1]))
    line[--end] = 0;
  if (!end || *line == '#')
    return NULL;
  char *value = line + word + strspn(line + word, " \t");
  line[word] = 0;
  if (!*value)
    return "a word without a value";
  if (!strcmp(line, "minimum")) {
    policy->minimum = read_version(value);
    return policy->minimum ? NULL : "minimum: want 1.0, 1.1, 1.2 or 1.3";
  }
  if (!strcmp(line, "ciphers"))
    policy->ciphers = value;
  else if (!strcmp(line, "ciphersuites"))
    policy->suites = value;
  else
    return "want minimum, ciphers or ciphersuites";
  return NULL;
}

static char const *
read_policy(struct policy *policy, char *text)
{
  char const *wrong = NULL;
  char *line;
  while (!wrong && (line = strsep(&text, "\n")))
    wrong = read_line(policy, line);
  return wrong;
}

/* To a context, or to one that is only there for the try. */
static char const *
apply(SSL_CTX *context, struct policy const *policy, int level)
{
  bool old = policy->minimum < TLS1_2_VERSION;
  char const *ciphers = policy->ciphers ? policy->ciphers : "DEFAULT";
  char const *suites =
      policy->suites ? policy->suites : TLS_DEFAULT_CIPHERSUITES;
  SSL_CTX_set_security_level(context, old ? LEVEL_FOR_OLD : level);
  if (!SSL_CTX_set_cipher_list(context, ciphers))
    return "ciphers: none of them is known";
  if (!SSL_CTX_set_ciphersuites(context, suites))
    return "ciphersuites: one of them is not known";
  if (!SSL_CTX_set_min_proto_version(context, policy->minimum))
    return "minimum: not in this OpenSSL";
  return NULL;
}

static char const *
try_and_apply(SSL_CTX *context, struct policy const *policy)
{
  SSL_CTX *trial = SSL_CTX_new(TLS_server_method());
  if (!trial)
    return "out of memory";
  int level = SSL_CTX_get_security_level(trial);
  char const *wrong = apply(trial, policy, level);
  SSL_CTX_free(trial);
  ERR_clear_error();
  return wrong ? wrong : apply(context, policy, level);
}

int
tlspolicy_update(SSL_CTX *context)
{
  static struct tlsfile last;
  struct tlsfile file = {0};
  struct policy policy = {.minimum = DEFAULT_VERSION};
  struct log log;
  char text[FILE_MAX + 1];
  char const *wrong = NULL;
  size_t n = 0;
  int is_there = tlsfile_stat(TLSPOLICY_FILE, &file);
  if (tlsfile_is_same(&file, &last))
    return 1;
  last = file;
  if (is_there)
    wrong = tlsfile_read(TLSPOLICY_FILE, text, FILE_MAX, &n);
  text[n] = 0;
  if (!wrong && strlen(text) != n)
    wrong = "NUL byte in the file";
  if (!wrong)
    wrong = read_policy(&policy, text);
  if (!wrong)
    wrong = try_and_apply(context, &policy);
  log_start(&log, wrong ? "error: unable to use the policy" : "policy read");
  if (wrong)
    log_string(&log, "error", wrong);
  log_write(&log);
  return !wrong;
}
