#include "smtpd/pool.h"

#include "lib/fdpass.h"
#include "lib/log.h"
#include "smtpd/lease.h"

#define LOG_MS 1000     /* between two lines about waiting */
#define ASK_AFTER_MS 50 /* somebody has held a lane so long */
#define ANSWER_MS 200   /* who was asked cannot give it back, or will not */

void
pool_enqueue(struct pool *pool, struct queue *queue, int fd)
{
  struct borrower *borrower = pool->borrowers + fd;
  borrower->next = -1;
  borrower->previous = queue->last;
  if (queue->last >= 0)
    pool->borrowers[queue->last].next = fd;
  else
    queue->first = fd;
  queue->last = fd;
  queue->length++;
  borrower->since_ms = pool->now_ms;
}

void
pool_dequeue(struct pool *pool, struct queue *queue, int fd)
{
  struct borrower *borrower = pool->borrowers + fd;
  if (borrower->previous >= 0)
    pool->borrowers[borrower->previous].next = borrower->next;
  else
    queue->first = borrower->next;
  if (borrower->next >= 0)
    pool->borrowers[borrower->next].previous = borrower->previous;
  else
    queue->last = borrower->previous;
  queue->length--;
}

void
pool_ask_back(struct pool *pool)
{
  size_t wanted = pool->waiting.length;
  int64_t since_ms = pool->now_ms - ASK_AFTER_MS;
  for (int fd = pool->holding.first; fd >= 0 && wanted;
       fd = pool->borrowers[fd].next) {
    struct borrower *holder = pool->borrowers + fd;
    if (holder->since_ms > since_ms)
      return;
    if (!holder->asked_ms) {
      fdpass_send(fd, LEASE_WANTED, NULL, 0);
      holder->asked_ms = pool->now_ms;
    }
    if (pool->now_ms - holder->asked_ms < ANSWER_MS)
      wanted--;
  }
}

void
pool_log(struct pool *pool)
{
  struct log log;
  if ((!pool->waited && !pool->refused) ||
      pool->now_ms - pool->logged_ms < LOG_MS)
    return;
  log_start(&log, "busy");
  log_number(&log, "lent", pool->holding.length);
  log_number(&log, "waiting", pool->waiting.length);
  log_number(&log, "waited", pool->waited);
  log_number(&log, "refused", pool->refused);
  log_seconds(&log, "longest", (uint64_t)pool->longest_ms);
  log_write(&log);
  pool->waited = pool->refused = 0;
  pool->longest_ms = 0;
  pool->logged_ms = pool->now_ms;
}
