#include <string.h>

#include "lib/dns.h"
#include "tests/unit/tap.h"

#define BYTES_MAX 8192

static unsigned char packet[BYTES_MAX];
static size_t used;

static void
put(char const *bytes, size_t n)
{
  memcpy(packet + used, bytes, n);
  used += n;
}

/* A head and the question for "a.b". */
static void
begin(char questions, char answers)
{
  char const head[] = {0, 1,       (char)0x81, (char)0x80, 0, questions,
                       0, answers, 0,          0,          0, 0};
  used = 0;
  put(head, sizeof head);
  for (char i = 0; i < questions; i++)
    put("\1a\1b\0\0\1\0\1", 9);
}

static void
record(char type, char ttl, char const *data, size_t n)
{
  char const fixed[] = {(char)0xc0, 12, 0, type, 0, 1,
                        0,          0,  0, ttl,  0, (char)n};
  put(fixed, sizeof fixed);
  put(data, n);
}

static enum dns_result
read_as(struct dns_query *query, enum dns_type type)
{
  query->type = type;
  dns_read(query, packet, used);
  return query->result;
}

static void
test_names(void)
{
  static char const label[] =
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
  char name[260];
  tap_ok(dns_is_name("a-1_B.example", 13), "a name");
  tap_ok(dns_is_name(label, 63), "a label of 63");
  memset(name, 'x', sizeof name);
  tap_ok(!dns_is_name(name, 64), "not of 64");
  for (size_t i = 63; i < sizeof name; i += 64)
    name[i] = '.';
  tap_ok(dns_is_name(name, 253), "253 bytes");
  tap_ok(!dns_is_name(name, 254), "not 254");
  tap_ok(!dns_is_name("", 0), "not the root");
  tap_ok(!dns_is_name(".a", 2) && !dns_is_name("a.", 2) &&
             !dns_is_name("a..b", 4),
         "no empty label");
  tap_ok(!dns_is_name("a b", 3) && !dns_is_name("a\\b", 3) &&
             !dns_is_name("\xc3\xa4", 2) && !dns_is_name("a\0b", 3),
         "no other bytes");
}

static void
test_records(void)
{
  static struct dns_query query;
  begin(1, 2);
  record(1, 9, "\177\0\0\2", 4);
  record(1, 7, "\177\0\0\3", 4);
  tap_ok(read_as(&query, DNS_A) == DNS_FOUND, "two addresses");
  tap_ok(query.addresses == 2 && query.address[1][3] == 3, "... both");
  tap_is_number(query.ttl_s, 7, "... the least time to live");
  tap_ok(read_as(&query, DNS_AAAA) == DNS_NONE, "none of another type");
  used--;
  tap_ok(read_as(&query, DNS_A) == DNS_FAILED && !query.addresses,
         "a byte less: failed");
  begin(1, 2);
  record(1, 9, "\177\0\0\2", 4);
  tap_ok(read_as(&query, DNS_A) == DNS_FAILED, "a record too few: failed");
  begin(1, 1);
  record(1, 9, "\177\0\0", 3);
  tap_ok(read_as(&query, DNS_A) == DNS_FAILED, "three bytes: failed");
  begin(0, 60);
  for (int i = 0; i < 60; i++)
    record(1, 9, "\177\0\0\2", 4);
  tap_ok(read_as(&query, DNS_A) == DNS_FAILED, "a name that is its own end");
  begin(1, 60);
  for (int i = 0; i < 60; i++)
    record(1, 9, "\177\0\0\2", 4);
  tap_ok(read_as(&query, DNS_A) == DNS_FOUND, "sixty");
  tap_is_number((long long)query.addresses, DNS_ADDRESSES_MAX,
                "... some are kept");
}

static void
test_targets(void)
{
  static struct dns_query query;
  begin(1, 3);
  record(12, 9, "\2\x4d\x78\xc0\x0c", 5);
  record(12, 9, "\3\"\n\\\0", 5);
  record(12, 9, "", 1);
  tap_ok(read_as(&query, DNS_PTR) == DNS_FOUND, "three names");
  tap_is_number((long long)query.names, 2, "... one is none");
  tap_is_string(query.name[0], "mx.a.b", "... compressed, in lower case");
  tap_is_string(query.name[1], "", "... the root");
  begin(1, 1);
  record(15, 9, "\0\12\4mail\0", 8);
  tap_ok(read_as(&query, DNS_MX) == DNS_FOUND, "a mail exchanger");
  tap_is_string(query.name[0], "mail", "... its name");
  begin(1, 1);
  record(15, 9, "\0\12", 2);
  tap_ok(read_as(&query, DNS_MX) == DNS_FAILED, "without one: failed");
  begin(1, 1);
  record(12, 9, "\xc0\xff", 2);
  tap_ok(read_as(&query, DNS_PTR) == DNS_FAILED, "a pointer past the end");
  begin(1, 1);
  record(12, 9, "\1x\xc0\x21", 4);
  tap_ok(read_as(&query, DNS_PTR) == DNS_FAILED, "a loop");
  for (size_t n = 0; n < 12; n++) {
    used = n;
    tap_ok(read_as(&query, DNS_A) == DNS_FAILED, "%zu bytes", n);
  }
}

static void
test_texts(void)
{
  static struct dns_texts texts = {.begin = "v=spf1"};
  static struct dns_query query = {.texts = &texts};
  begin(1, 4);
  record(16, 9, "\5hello", 6);
  record(16, 9, "\4V=sp\3f1 \0\2-a", 13);
  record(16, 9, "\7v=spf1\0", 8);
  record(16, 9, "\6v=spf1", 7);
  tap_ok(read_as(&query, DNS_TXT) == DNS_FOUND, "texts");
  tap_is_number((long long)texts.count, DNS_TEXTS_MAX, "... two are kept");
  tap_is_string(texts.text[0], "V=spf1 -a", "... in one piece");
  tap_is_string(texts.text[1], "v=spf1?", "... without NUL");
  begin(1, 1);
  record(16, 9, "\7v=spf1", 7);
  tap_ok(read_as(&query, DNS_TXT) == DNS_FAILED && !texts.count,
         "a string that is cut: failed");
  begin(1, 1);
  record(16, 9, "", 0);
  tap_ok(read_as(&query, DNS_TXT) == DNS_FOUND && !texts.count, "no string");
}

/* A text of n bytes, in strings of 255 and one of the rest. */
static enum dns_result
long_text(size_t n)
{
  static struct dns_texts texts = {.begin = ""};
  static struct dns_query query = {.texts = &texts};
  size_t data_bytes = n + (n + 254) / 255;
  begin(1, 1);
  record(16, 9, "", 0);
  packet[used - 2] = (unsigned char)(data_bytes >> 8);
  packet[used - 1] = (unsigned char)data_bytes;
  while (n) {
    size_t part = n < 255 ? n : 255;
    packet[used++] = (unsigned char)part;
    memset(packet + used, 'x', part);
    used += part;
    n -= part;
  }
  return read_as(&query, DNS_TXT);
}

int
main(void)
{
  tap_ok(long_text(DNS_TEXT_MAX) == DNS_FOUND, "a text of 4096 bytes");
  tap_ok(long_text(DNS_TEXT_MAX + 1) == DNS_FAILED, "... of 4097");
  test_texts();
  test_names();
  test_records();
  test_targets();
  return tap_done();
}
