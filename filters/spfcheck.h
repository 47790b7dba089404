/* RFC 7208 by libspf2, which asks the DNS only through us: all questions of one
 * check are under one deadline, their number is bounded, and it sees answers
 * that dns.h has read. */
#ifndef TRAPLINE_FILTERS_SPFCHECK_H
#define TRAPLINE_FILTERS_SPFCHECK_H

#include <stdint.h>

#include "lib/dns.h"

#define SPFCHECK_QUESTIONS_MAX 60 /* in one check */

struct SPF_server_struct;
struct SPF_dns_server_struct;

struct spfcheck {
  struct dns *dns;
  unsigned int limit_s;
  int64_t deadline_ms;    /* of the check in hand */
  unsigned int questions; /* asked in it */
  bool seen_trouble;      /* in it: a question that the DNS did not answer */
  struct SPF_server_struct *server;
  struct SPF_dns_server_struct *resolver;
  struct dns_query query;
  struct dns_texts texts;
};

/* Check through this, each time for so many seconds at most. 0, or -1 with
 * ENOMEM. */
int spfcheck_begin(struct spfcheck *check, struct dns *dns,
                   unsigned int limit_s);
void spfcheck_end(struct spfcheck *check);

/* Check an IP address; helo and the sender's domain are dns_is_name(). Returns
 * the result by its name in RFC 7208 section 2.6; none for no address. */
char const *spfcheck_run(struct spfcheck *check, char const *ip,
                         char const *helo, char const *sender);

#endif
