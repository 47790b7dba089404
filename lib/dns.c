#include "lib/dns.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#include <ares.h>

#include "lib/clock.h"

#define TRY_MS 1500 /* until a question is repeated; then twice that */
#define TRIES 3
#define UDP_BYTES 1232 /* what passes everywhere in one piece */

int
dns_start(struct dns *dns, char const *server)
{
  struct ares_options options = {.timeout = TRY_MS,
                                 .tries = TRIES,
                                 .ednspsz = UDP_BYTES,
                                 .flags = ARES_FLAG_NOALIASES | ARES_FLAG_EDNS};
  int mask =
      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ;
  dns->waiting = 0;
  int status = ares_init_options(&dns->channel, &options, mask);
  if (status != ARES_SUCCESS) {
    errno = status == ARES_ENOMEM ? ENOMEM : EIO;
    return -1;
  }
  if (server)
    status = ares_set_servers_ports_csv(dns->channel, server);
  if (status == ARES_SUCCESS)
    return 0;
  ares_destroy(dns->channel);
  errno = status == ARES_ENOMEM ? ENOMEM : EINVAL;
  return -1;
}

void
dns_end(struct dns *dns)
{
  ares_destroy(dns->channel);
}

static void
on_reply(void *data, int status, int timeouts, unsigned char *bytes, int n)
{
  struct dns_query *query = data;
  (void)timeouts;
  if (status == ARES_SUCCESS && bytes && n > 0)
    dns_read(query, bytes, (size_t)n);
  else if (status == ARES_ENODATA || status == ARES_ENOTFOUND)
    query->result = DNS_NONE;
  else if (status == ARES_ECANCELLED || status == ARES_ETIMEOUT)
    query->result = DNS_LATE;
  else
    query->result = DNS_FAILED;
  --*query->waiting;
}

void
dns_ask(struct dns *dns, struct dns_query *query, char const *name,
        enum dns_type type)
{
  struct dns_texts *texts = query->texts;
  memset(query, 0, sizeof *query);
  query->texts = texts;
  query->type = type;
  query->waiting = &dns->waiting;
  dns->waiting++;
  ares_query(dns->channel, name, 1, (int)type, on_reply, query);
}

/* How long to wait for c-ares' sockets. */
static int
pause_ms(struct dns *dns, int64_t left_ms)
{
  struct timeval most = {left_ms / 1000, left_ms % 1000 * 1000};
  struct timeval next;
  struct timeval const *wait = ares_timeout(dns->channel, &most, &next);
  return (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000);
}

static void
wait_once(struct dns *dns, int64_t left_ms)
{
  ares_socket_t socket[ARES_GETSOCK_MAXNUM];
  struct pollfd wanted[ARES_GETSOCK_MAXNUM];
  nfds_t count = 0;
  unsigned int bits =
      (unsigned int)ares_getsock(dns->channel, socket, ARES_GETSOCK_MAXNUM);
  for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
    /* As ARES_GETSOCK_WRITABLE(), which shifts a 1 into the sign. */
    bool reads = bits >> i & 1;
    bool writes = bits >> (i + ARES_GETSOCK_MAXNUM) & 1;
    if (reads || writes)
      wanted[count++] = (struct pollfd){
          .fd = socket[i],
          .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
  }
  if (poll(wanted, count, pause_ms(dns, left_ms)) < 0)
    count = 0;
  for (nfds_t i = 0; i < count; i++) {
    short seen = wanted[i].revents;
    if (seen)
      ares_process_fd(dns->channel,
                      seen & ~POLLOUT ? wanted[i].fd : ARES_SOCKET_BAD,
                      seen & POLLOUT ? wanted[i].fd : ARES_SOCKET_BAD);
  }
  ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

bool
dns_wait(struct dns *dns, int64_t deadline_ms)
{
  unsigned int before = dns->waiting;
  while (dns->waiting && dns->waiting == before) {
    int64_t left_ms = deadline_ms - clock_ms();
    if (left_ms > 0)
      wait_once(dns, left_ms);
    else
      ares_cancel(dns->channel);
  }
  return dns->waiting;
}
