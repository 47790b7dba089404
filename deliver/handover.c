#include "deliver/handover.h"

#include <stdlib.h>
#include <string.h>

#define PLAIN                                                                  \
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"             \
  "@._+=~/:[]!#%^-"
#define ALL_MAX 65536 /* bytes of RECIPIENTS */

enum handover
handover_result(int exit_code, bool is_queue)
{
  if (!exit_code)
    return HANDOVER_DONE;
  if (is_queue)
    return exit_code >= 11 && exit_code <= 40 ? HANDOVER_NEVER : HANDOVER_LATER;
  switch (exit_code) {
  case 99:
    return HANDOVER_STOP;
  case 100:
    return HANDOVER_NEVER;
  default:
    return HANDOVER_LATER;
  }
}

bool
handover_is_plain(char const *address, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (!address[i] || !strchr(PLAIN, address[i]))
      return false;
  return !n || *address != '-';
}

void
handover_forget(void)
{
  unsetenv("SENDER");
  unsetenv("RECIPIENT");
  unsetenv("RECIPIENTS");
}

static void
set_address(char const *name, char const *address, size_t n)
{
  char value[ADDRESS_MAX + 1];
  memcpy(value, address, n);
  value[n] = 0;
  setenv(name, value, 1);
}

void
handover_environment(struct envelope const *envelope)
{
  static char all[ALL_MAX];
  struct envelope_cursor cursor = {0};
  struct envelope_recipient recipient;
  size_t used = 0;
  bool is_first = true;
  handover_forget();
  if (handover_is_plain(envelope->sender, envelope->sender_bytes))
    set_address("SENDER", envelope->sender, envelope->sender_bytes);
  for (; envelope_next(envelope, &cursor, &recipient); is_first = false) {
    size_t n = recipient.address_bytes;
    if (!handover_is_plain(recipient.address, n))
      continue;
    if (is_first)
      set_address("RECIPIENT", recipient.address, n);
    if (used + n + 2 > sizeof all)
      continue;
    if (used)
      all[used++] = ' ';
    memcpy(all + used, recipient.address, n);
    used += n;
  }
  all[used] = 0;
  if (used)
    setenv("RECIPIENTS", all, 1);
}

/* An address as qmail has it: the local part without its quoting. */
static int
put_address(struct spool *spool, char const *address, size_t n)
{
  char plain[ADDRESS_MAX + 1];
  char const *at = memrchr(address, '@', n);
  size_t local = at ? (size_t)(at - address) : n;
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    if (i < local && address[i] == '"')
      continue;
    if (i + 1 < local && address[i] == '\\')
      i++;
    plain[used++] = address[i];
  }
  return spool_add(spool, plain, used);
}

int
handover_queue(struct envelope const *envelope, struct spool *spool)
{
  struct envelope_cursor cursor = {0};
  struct envelope_recipient recipient;
  if (spool_add(spool, "F", 1) == -1 ||
      put_address(spool, envelope->sender, envelope->sender_bytes) == -1 ||
      spool_add(spool, "", 1) == -1)
    return -1;
  while (envelope_next(envelope, &cursor, &recipient))
    if (spool_add(spool, "T", 1) == -1 ||
        put_address(spool, recipient.address, recipient.address_bytes) == -1 ||
        spool_add(spool, "", 1) == -1)
      return -1;
  return spool_add(spool, "", 1);
}
