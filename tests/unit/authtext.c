#include "smtpd/authtext.h"

#include <string.h>

#include <openssl/evp.h>

#include "tests/unit/tap.h"

static char user[AUTHTEXT_MAX + 1], secret[AUTHTEXT_MAX + 1];

static void
plain(char const *text, char const *wanted_user, char const *wanted_secret)
{
  authtext_plain(text, strlen(text), user, secret);
  tap_is_string(user, wanted_user, text);
  tap_is_string(secret, wanted_secret, "... its password");
}

static void
word(char const *text, char const *wanted)
{
  authtext_word(text, strlen(text), user);
  tap_is_string(user, wanted, text);
}

/* A name and a password of so many bytes. */
static void
check_length(size_t length)
{
  char bytes[2 * AUTHTEXT_MAX + 10], coded[2048];
  size_t kept = length > AUTHTEXT_MAX ? AUTHTEXT_MAX : length;
  bytes[0] = 0;
  memset(bytes + 1, 'u', length);
  bytes[1 + length] = 0;
  memset(bytes + 2 + length, 's', length);
  int n = EVP_EncodeBlock((unsigned char *)coded, (unsigned char *)bytes,
                          (int)(2 + 2 * length));
  authtext_plain(coded, (size_t)n, user, secret);
  tap_is_number((long long)strlen(user), (long long)kept, "a name's length");
  tap_is_number((long long)strlen(secret), (long long)kept, "a password's");
  tap_ok(user[kept - 1] == 'u' && secret[kept - 1] == 's', "... and end");
}

/* So many bytes of what is no base64, then a word. */
static void
check_coded(size_t length, char const *wanted)
{
  char coded[AUTHTEXT_CODED_MAX + 8];
  memset(coded, '!', length);
  memcpy(coded + length, "Ym9i", 4);
  authtext_word(coded, length + 4, user);
  tap_is_string(user, wanted, "at the limit of what is looked at");
}

int
main(void)
{
  plain("AGJvYgBzZWNyZXQ=", "bob", "secret");
  plain("AGJvYgBzZWNyZXQ", "bob", "secret");
  plain("YXMAYm9iAHNlY3JldABtb3Jl", "bob", "secret");
  plain("YXM=", "", "");
  plain("AGJvYg==", "bob", "");
  plain("", "", "");
  plain("=", "", "");
  plain("!!!", "", "");
  plain("AGIKAGEbB/8A", "b?", "a??\xff");
  word("Ym9i", "bob");
  word("Ym9iAHg=", "bob");
  word("Y m\t9-i", "bob");
  word("=Ym9i", "");
  word("", "");
  for (size_t length = AUTHTEXT_MAX - 1; length <= AUTHTEXT_MAX + 1; length++)
    check_length(length);
  check_coded(AUTHTEXT_CODED_MAX - 4, "bob");
  check_coded(AUTHTEXT_CODED_MAX - 3, "bo");
  check_coded(AUTHTEXT_CODED_MAX, "");
  return tap_done();
}
