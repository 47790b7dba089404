#include "edge/ja4.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/sha256.h>

#define CLIENT_HELLO 1
#define VALUES_MAX 512 /* more are not counted: the fingerprint says 99 */
#define HASH_DIGITS 12

enum extension {
  SERVER_NAME = 0,
  SIGNATURE_ALGORITHMS = 13,
  ALPN = 16,
  SUPPORTED_VERSIONS = 43,
};

/* What is left to read; failed once something was not there. */
struct reader {
  unsigned char const *bytes;
  size_t n;
  bool failed;
};

struct values {
  size_t n;
  uint16_t value[VALUES_MAX];
};

struct hello {
  unsigned int version;
  bool named; /* it has a server's name */
  size_t extensions;
  char alpn[3];
  struct values ciphers, types, algorithms;
};

static struct reader
take(struct reader *reader, size_t n)
{
  struct reader part = {reader->bytes, n, false};
  if (n > reader->n) {
    reader->failed = true;
    part.failed = true;
    part.n = 0;
    reader->n = 0;
    return part;
  }
  reader->bytes += n;
  reader->n -= n;
  return part;
}

/* A number of one to three bytes. */
static unsigned int
number(struct reader *reader, size_t n)
{
  struct reader part = take(reader, n);
  unsigned int value = 0;
  for (size_t i = 0; i < part.n; i++)
    value = value << 8 | part.bytes[i];
  return value;
}

/* What stands behind a length of so many bytes. */
static struct reader
vector(struct reader *reader, size_t length_bytes)
{
  return take(reader, number(reader, length_bytes));
}

/* RFC 8701: values that mean nothing, and differ from hello to hello. */
static bool
is_grease(unsigned int value)
{
  return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

static void
add(struct values *values, unsigned int value)
{
  if (values->n < VALUES_MAX && !is_grease(value))
    values->value[values->n++] = (uint16_t)value;
}

static void
add_all(struct values *values, struct reader list)
{
  while (list.n >= 2)
    add(values, number(&list, 2));
}

static void
read_versions(struct hello *hello, struct reader data)
{
  struct reader list = vector(&data, 1);
  unsigned int highest = 0;
  while (list.n >= 2) {
    unsigned int version = number(&list, 2);
    if (!is_grease(version) && version > highest)
      highest = version;
  }
  if (highest)
    hello->version = highest;
}

/* The first and last character of the first name, or of its digits. */
static void
read_alpn(struct hello *hello, struct reader data)
{
  static char const digits[] = "0123456789abcdef";
  struct reader list = vector(&data, 2);
  struct reader name = vector(&list, 1);
  if (!name.n)
    return;
  unsigned char first = name.bytes[0], last = name.bytes[name.n - 1];
  bool plain = first < 0x80 && last < 0x80 && isalnum(first) && isalnum(last);
  hello->alpn[0] = plain ? (char)first : digits[first >> 4];
  hello->alpn[1] = plain ? (char)last : digits[last & 15];
}

static void
read_extension(struct hello *hello, unsigned int type, struct reader data)
{
  if (is_grease(type))
    return;
  hello->extensions++;
  switch (type) {
  case SERVER_NAME:
    hello->named = true;
    return;
  case ALPN:
    read_alpn(hello, data);
    return;
  case SUPPORTED_VERSIONS:
    read_versions(hello, data);
    break;
  case SIGNATURE_ALGORITHMS:
    add_all(&hello->algorithms, vector(&data, 2));
    break;
  }
  add(&hello->types, type);
}

/* 1 or 0. */
static int
read_hello(struct hello *hello, unsigned char const *bytes, size_t n)
{
  struct reader all = {bytes, n, false};
  if (number(&all, 1) != CLIENT_HELLO)
    return 0;
  struct reader body = vector(&all, 3);
  hello->version = number(&body, 2);
  take(&body, 32); /* random */
  vector(&body, 1);
  struct reader ciphers = vector(&body, 2);
  add_all(&hello->ciphers, ciphers);
  vector(&body, 1);
  if (all.failed || body.failed)
    return 0;
  if (!body.n)
    return 1;
  struct reader extensions = vector(&body, 2);
  while (extensions.n) {
    unsigned int type = number(&extensions, 2);
    struct reader data = vector(&extensions, 2);
    if (!extensions.failed)
      read_extension(hello, type, data);
  }
  return !body.failed && !extensions.failed;
}

static int
compare(void const *a, void const *b)
{
  return *(uint16_t const *)a - *(uint16_t const *)b;
}

static void
hash_values(SHA256Schedule *hash, struct values const *values)
{
  char text[8];
  for (size_t i = 0; i < values->n; i++) {
    int n = snprintf(text, sizeof text, "%s%04x", i ? "," : "",
                     (unsigned int)values->value[i]);
    sha256_update(hash, text, (size_t)n);
  }
}

/* The first digits of the hash of one list, or of two with _ between. */
static void
put_hash(char *out, struct values *sorted, struct values const *more)
{
  SHA256Schedule hash = SHA256_INIT();
  char digest[32];
  memset(out, '0', HASH_DIGITS);
  out[HASH_DIGITS] = 0;
  if (!sorted->n)
    return;
  qsort(sorted->value, sorted->n, sizeof *sorted->value, compare);
  hash_values(&hash, sorted);
  if (more && more->n) {
    sha256_update(&hash, "_", 1);
    hash_values(&hash, more);
  }
  sha256_final(&hash, digest);
  for (size_t i = 0; i < HASH_DIGITS / 2; i++)
    sprintf(out + 2 * i, "%02x", (unsigned int)(unsigned char)digest[i]);
}

static char const *
version_name(unsigned int version)
{
  static char const *const names[] = {"s3", "10", "11", "12", "13"};
  return version >= 0x0300 && version <= 0x0304 ? names[version & 7] : "00";
}

static unsigned int
two_digits(size_t n)
{
  return n < 99 ? (unsigned int)n : 99;
}

int
ja4_fingerprint(unsigned char const *bytes, size_t n, char *out)
{
  struct hello hello = {.alpn = "00"};
  if (!read_hello(&hello, bytes, n))
    return 0;
  int used =
      snprintf(out, JA4_BYTES, "t%s%c%02u%02u%s_", version_name(hello.version),
               hello.named ? 'd' : 'i', two_digits(hello.ciphers.n),
               two_digits(hello.extensions), hello.alpn);
  put_hash(out + used, &hello.ciphers, NULL);
  out[used + HASH_DIGITS] = '_';
  put_hash(out + used + HASH_DIGITS + 1, &hello.types, &hello.algorithms);
  return 1;
}
