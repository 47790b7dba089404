#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/dns.h"

/* The input: a type, then an answer to a question of that type. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static enum dns_type const type[] = {DNS_A, DNS_PTR, DNS_MX, DNS_AAAA,
                                       DNS_TXT};
  static struct dns_texts texts = {.begin = "v="};
  static struct dns_query query = {.texts = &texts};
  if (!n)
    return 0;
  query.type = type[data[0] % (sizeof type / sizeof *type)];
  dns_read(&query, data + 1, n - 1);
  FUZZ_HOLDS(query.result == DNS_FOUND || query.result == DNS_NONE ||
             query.result == DNS_FAILED);
  FUZZ_HOLDS(query.addresses <= DNS_ADDRESSES_MAX);
  FUZZ_HOLDS(query.names <= DNS_NAMES_MAX);
  FUZZ_HOLDS(texts.count <= DNS_TEXTS_MAX);
  for (size_t i = 0; i < texts.count; i++)
    FUZZ_HOLDS(strnlen(texts.text[i], sizeof texts.text[i]) <= DNS_TEXT_MAX);
  FUZZ_HOLDS(query.result == DNS_FOUND || (!query.addresses && !query.names));
  for (size_t i = 0; i < query.names; i++) {
    size_t length = strnlen(query.name[i], sizeof query.name[i]);
    FUZZ_HOLDS(!length || dns_is_name(query.name[i], length));
  }
  return 0;
}
