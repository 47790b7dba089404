#include "deliver/jobmetadata.h"

#include <string.h>

#include "lib/digits.h"

bool
jobmetadata_is_reserved(char const *key)
{
  static char const *const keys[] = {"ip",        "host",    "helo", "proto",
                                     "mail_from", "rcpt_to", "note", "time"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (!strcmp(key, keys[i]))
      return true;
  return !jobcontrol_is_key(key);
}

bool
jobmetadata_is_outcome(char const *key)
{
  return !strcmp(key, "queued") || !strcmp(key, "delivered") ||
         !strcmp(key, "refused");
}

/* As RFC 3339 has it. */
static void
format_time(struct jobmetadata *self, struct timespec const *started)
{
  struct tm utc;
  char *p = self->time;
  if (gmtime_r(&started->tv_sec, &utc)) {
    p = digits_put(p, (uint64_t)utc.tm_year + 1900, 4);
    *p++ = '-';
    p = digits_put(p, (uint64_t)utc.tm_mon + 1, 2);
    *p++ = '-';
    p = digits_put(p, (uint64_t)utc.tm_mday, 2);
    *p++ = 'T';
    p = digits_put(p, (uint64_t)utc.tm_hour, 2);
    *p++ = ':';
    p = digits_put(p, (uint64_t)utc.tm_min, 2);
    *p++ = ':';
    p = digits_put(p, (uint64_t)utc.tm_sec, 2);
    *p++ = '.';
    p = digits_put(p, (uint64_t)started->tv_nsec / 1000, 6);
    *p++ = 'Z';
  }
  *p = 0;
}

static void
add_bytes(struct jobmetadata *self, char const *key, char const *value,
          size_t n)
{
  self->line[self->count++] = (struct metadata){key, value, n};
}

/* What is not known is left out. */
static void
add(struct jobmetadata *self, char const *key, char const *value)
{
  if (value && value[0])
    add_bytes(self, key, value, strlen(value));
}

void
jobmetadata_collect(struct jobmetadata *self, struct stage const *stage,
                    struct envelope *envelope, struct notes const *notes,
                    struct timespec const *started)
{
  struct client const *client = &stage->client;
  char const *key, *value;
  size_t n;
  self->count = 0;
  format_time(self, started);
  envelope_notes(envelope, self->recipient_notes, sizeof self->recipient_notes);
  add(self, "ip", client->addr);
  add(self, "host", client->name);
  add(self, "ident",
      client->login[0] ? client->login : notes_value(notes, "ident"));
  add(self, "helo", client->helo);
  add(self, "proto", client->proto);
  add_bytes(self, "mail_from", envelope->sender, envelope->sender_bytes);
  value = envelope_recipients(envelope, &n);
  add_bytes(self, "rcpt_to", value, n);
  add(self, "note", self->recipient_notes);
  add(self, "session", stage->session);
  add(self, "time", self->time);
  for (size_t i = 0; notes_get(notes, i, &key, &value, &n); i++)
    if (strcmp(key, "ident"))
      add_bytes(self, key, value, n);
}
