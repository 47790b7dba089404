/*
 * Questions to the DNS, many at a time, under one deadline. What comes back is
 * bounded and checked; it is whatever the owner of the name wants it to be.
 * Programs that use it are linked with c-ares.
 */
#ifndef TRAPLINE_LIB_DNS_H
#define TRAPLINE_LIB_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX 253
#define DNS_ADDRESSES_MAX 32 /* kept of one answer */
#define DNS_NAMES_MAX 11     /* likewise */
#define DNS_TEXTS_MAX 2      /* likewise */
#define DNS_TEXT_MAX 4096    /* bytes in one; a longer one is nonsense */

enum dns_type {
  DNS_A = 1,
  DNS_PTR = 12,
  DNS_MX = 15,
  DNS_TXT = 16,
  DNS_AAAA = 28
};

enum dns_result {
  DNS_WAITING,
  DNS_FOUND,
  DNS_NONE,   /* no such name, or nothing of that type */
  DNS_FAILED, /* no server, or one that cannot say, or nonsense */
  DNS_LATE,   /* no answer in time */
};

/* The texts of an answer that begin in a certain way, in any case. */
struct dns_texts {
  char const *begin; /* set by who asks */
  size_t count;
  char text[DNS_TEXTS_MAX][DNS_TEXT_MAX + 1]; /* NUL bytes become "?" */
};

/* One question and its answer. */
struct dns_query {
  enum dns_type type;
  enum dns_result result;
  uint32_t ttl_s; /* the least of what was found */
  size_t addresses;
  unsigned char address[DNS_ADDRESSES_MAX][16]; /* IPv4: the first four */
  size_t
      names; /* that dns_is_name() takes, in lower case, or empty: the root */
  char name[DNS_NAMES_MAX][DNS_NAME_MAX + 1];
  struct dns_texts *texts; /* the asker's, for DNS_TXT; else not looked at */
  unsigned int *waiting;   /* private */
};

struct ares_channeldata;
struct dns {
  struct ares_channeldata *channel;
  unsigned int waiting; /* questions without an answer */
};

/* Whether n bytes are a name to ask for: letters, digits, hyphens and
 * underscores in labels of 1 to 63 bytes, at most DNS_NAME_MAX of all. Pure. */
bool dns_is_name(char const *name, size_t n);

/* Ask server, "ADDRESS[:PORT]", in brackets if it is IPv6 with a port; NULL: as
 * /etc/resolv.conf says. 0; or -1 with errno: EINVAL if it is no such address.
 */
int dns_start(struct dns *dns, char const *server);
void dns_end(struct dns *dns);

/* Ask. For DNS_TXT query->texts is set before. The query must stay until its
 * result is no longer DNS_WAITING. */
void dns_ask(struct dns *dns, struct dns_query *query, char const *name,
             enum dns_type type);

/* Wait for an answer, or for the instant (clock.h) after which there will be
 * none. Whether more are awaited. */
bool dns_wait(struct dns *dns, int64_t deadline_ms);

/* Read the records of the query's type out of an answer's n bytes: DNS_FOUND,
 * DNS_NONE or DNS_FAILED. Pure, but for memory that is free again. */
void dns_read(struct dns_query *query, unsigned char const *bytes, size_t n);

#endif
