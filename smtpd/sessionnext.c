/* One process, several sessions, one after the other: what is left of one. */
#include "smtpd/session.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES_MAX (sizeof(struct session) / 4096)
#define STACK_BYTES 32768

/* Zero whole pages: those in memory are overwritten, the others given back to
 * the kernel, so that a session's copy does not grow with each wipe. false: the
 * kernel refused. */
static bool
wipe_pages(char *first, size_t pages, size_t page)
{
  unsigned char in_memory[PAGES_MAX];
  if (mincore(first, pages * page, in_memory) < 0)
    return false;
  for (size_t i = 0, n; i < pages; i += n) {
    char *begin = first + i * page;
    for (n = 1; i + n < pages; n++)
      if ((in_memory[i + n] ^ in_memory[i]) & 1)
        break;
    if (in_memory[i] & 1)
      memset(begin, 0, n * page);
    else if (madvise(begin, n * page, MADV_DONTNEED) < 0)
      return false;
  }
  return true;
}

/* Zero what is from begin up to end. */
static bool
wipe(char *begin, char *end)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *first = begin + (page - (uintptr_t)begin % page) % page;
  size_t pages = (size_t)(end - first) / page;
  char *rest = first + pages * page;
  if (!wipe_pages(first, pages, page))
    return false;
  memset(begin, 0, (size_t)(first - begin));
  memset(rest, 0, (size_t)(end - rest));
  return true;
}

/* What calls that have returned have left there. */
static void __attribute__((noinline)) wipe_stack(void)
{
  char space[STACK_BYTES];
  explicit_bzero(space, sizeof space);
}

/* Whether a lent pipeline can serve another session: the pool does not want it
 * back, and neither the pool nor a stage is gone. */
static bool
may_go_on(struct session const *session)
{
  struct pipeline const *pipeline = &session->pipeline;
  struct pollfd news[2] = {{pipeline->lease.socket, POLLIN, 0},
                           {pipeline->tail, POLLIN, 0}};
  return pipeline->running && pipeline->leased && !pipeline->broken &&
         !session->wire.pressed && poll(news, 2, 0) == 0;
}

bool
session_next(struct session *session)
{
  struct pipeline *pipeline = &session->pipeline;
  if (wire_is_terminated())
    return false;
  if (pipeline->leased)
    session_reset(session);
  bool kept = may_go_on(session);
  struct lease lease = pipeline->lease;
  if (!kept)
    pipeline_end(pipeline);
  if (!wipe((char *)session, (char *)&session->config))
    return false;
  wipe_stack();
  if (kept)
    pipeline_go_on(pipeline, &session->config, session->id, &lease);
  return true;
}
