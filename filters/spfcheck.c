#include "filters/spfcheck.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <spf2/spf.h>

#include "lib/clock.h"

/* One record of an answer: n bytes of data, room in which libspf2 sees a NUL
 * behind them. Whether there was room. */
static bool
put(SPF_dns_rr_t *answer, void const *data, size_t n)
{
  int i = answer->num_rr;
  if (SPF_dns_rr_buf_realloc(answer, i, n + 1) != SPF_E_SUCCESS)
    return false;
  char *to = (char *)answer->rr[i];
  memcpy(to, data, n);
  to[n] = 0;
  answer->num_rr++;
  return true;
}

static bool
fill(SPF_dns_rr_t *answer, struct dns_query const *query)
{
  size_t address = query->type == DNS_A ? 4 : 16;
  bool is_done = true;
  for (size_t i = 0; is_done && i < query->addresses; i++)
    is_done = put(answer, query->address[i], address);
  for (size_t i = 0; is_done && i < query->names; i++)
    if (query->name[i][0])
      is_done = put(answer, query->name[i], strlen(query->name[i]));
  for (size_t i = 0;
       is_done && query->type == DNS_TXT && i < query->texts->count; i++)
    is_done = put(answer, query->texts->text[i], strlen(query->texts->text[i]));
  return is_done;
}

/* Ask, and wait. One of netdb.h's codes. */
static int
ask(struct spfcheck *check, char const *name, int type)
{
  size_t n = strlen(name);
  if (n && name[n - 1] == '.')
    n--;
  /* A name that a record makes of a local part may be anything. Type 99, which
   * is asked for too, has been given up. */
  if (!dns_is_name(name, n))
    return HOST_NOT_FOUND;
  if (type != DNS_A && type != DNS_AAAA && type != DNS_MX && type != DNS_PTR &&
      type != DNS_TXT)
    return NO_DATA;
  if (++check->questions > SPFCHECK_QUESTIONS_MAX) {
    check->seen_trouble = true;
    return TRY_AGAIN;
  }
  dns_ask(check->dns, &check->query, name, (enum dns_type)type);
  while (dns_wait(check->dns, check->deadline_ms))
    ;
  if (check->query.result == DNS_FOUND)
    return NETDB_SUCCESS;
  if (check->query.result == DNS_NONE)
    return HOST_NOT_FOUND;
  check->seen_trouble = true;
  return TRY_AGAIN;
}

static SPF_dns_rr_t *
look_up(SPF_dns_server_t *resolver, char const *name, ns_type type,
        int should_cache)
{
  struct spfcheck *check = resolver->hook;
  (void)should_cache;
  int code = ask(check, name, (int)type);
  SPF_dns_rr_t *answer = SPF_dns_rr_new_init(resolver, name, type, 0, code);
  if (answer && code == NETDB_SUCCESS && !fill(answer, &check->query)) {
    answer->num_rr = 0;
    answer->herrno = TRY_AGAIN;
  }
  return answer;
}

/* The domain's text for a client that it does not let send: nobody reads it. */
static SPF_errcode_t
give_no_reason(SPF_server_t *server, char const *domain, char **text, size_t *n)
{
  (void)server, (void)domain, (void)text, (void)n;
  return SPF_E_NOT_SPF;
}

int
spfcheck_begin(struct spfcheck *check, struct dns *dns, unsigned int limit_s)
{
  check->dns = dns;
  check->limit_s = limit_s;
  check->texts.begin = SPF_VER_STR;
  check->query.texts = &check->texts;
  /* No destructor: it stays ours. */
  check->resolver = calloc(1, sizeof *check->resolver);
  if (!check->resolver)
    return -1;
  check->resolver->lookup = look_up;
  check->resolver->get_exp = give_no_reason;
  check->resolver->name = "trapline";
  check->resolver->hook = check;
  check->server = SPF_server_new_dns(check->resolver, 0);
  if (check->server)
    return 0;
  free(check->resolver);
  errno = ENOMEM;
  return -1;
}

void
spfcheck_end(struct spfcheck *check)
{
  SPF_server_free(check->server);
  free(check->resolver);
}

static char const *
name_of(struct spfcheck const *check, SPF_result_t result)
{
  switch (result) {
  case SPF_RESULT_PASS:
    return "pass";
  case SPF_RESULT_FAIL:
    return "fail";
  case SPF_RESULT_SOFTFAIL:
    return "softfail";
  case SPF_RESULT_NEUTRAL:
    return "neutral";
  case SPF_RESULT_NONE:
    return "none";
  case SPF_RESULT_PERMERROR:
    return "permerror";
  case SPF_RESULT_TEMPERROR:
    return "temperror";
  default: /* a record that cannot be read, or none to be had */
    return check->seen_trouble ? "temperror" : "permerror";
  }
}

static bool
set_address(SPF_request_t *request, char const *ip)
{
  struct in_addr v4;
  struct in6_addr v6;
  if (inet_pton(AF_INET, ip, &v4) == 1)
    return SPF_request_set_ipv4(request, v4) == SPF_E_SUCCESS;
  if (inet_pton(AF_INET6, ip, &v6) != 1)
    return false;
  if (!IN6_IS_ADDR_V4MAPPED(&v6))
    return SPF_request_set_ipv6(request, v6) == SPF_E_SUCCESS;
  memcpy(&v4, v6.s6_addr + 12, sizeof v4);
  return SPF_request_set_ipv4(request, v4) == SPF_E_SUCCESS;
}

char const *
spfcheck_run(struct spfcheck *check, char const *ip, char const *helo,
             char const *sender)
{
  char const *result = "temperror";
  SPF_response_t *response = NULL;
  SPF_request_t *request = SPF_request_new(check->server);
  if (!request)
    return result;
  check->deadline_ms = clock_ms() + (int64_t)check->limit_s * 1000;
  check->questions = 0;
  check->seen_trouble = false;
  if (!set_address(request, ip))
    result = "none";
  else if (SPF_request_set_helo_dom(request, helo) == SPF_E_SUCCESS &&
           SPF_request_set_env_from(request, sender) == SPF_E_SUCCESS) {
    SPF_request_query_mailfrom(request, &response);
    if (response)
      result = name_of(check, SPF_response_result(response));
  }
  if (response)
    SPF_response_free(response);
  SPF_request_free(request);
  return result;
}
