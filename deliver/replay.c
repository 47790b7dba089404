#include "deliver/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/types.h>

#include "deliver/jobmetadata.h"
#include "lib/client.h"
#include "lib/envelope.h"
#include "lib/stage.h"
#include "lib/xtext.h"

static int
put(struct replay *replay, char const *bytes, size_t n)
{
  if (replay->text.len > REPLAY_TEXT_MAX) {
    errno = E2BIG;
    return 0;
  }
  return stralloc_catb(&replay->text, bytes, n);
}

static int
put_string(struct replay *replay, char const *string)
{
  return put(replay, string, strlen(string));
}

/* A value of the metadata for a field; what does not fit is not known. */
static void
get_field(struct jobrecord const *record, char const *key, char *out,
          size_t size)
{
  struct metadata const *line = jobrecord_find(record, key);
  out[0] = 0;
  if (line && line->value_bytes < size &&
      !memchr(line->value, 0, line->value_bytes))
    strcpy(out, line->value);
}

static int
put_client(struct replay *replay, struct jobrecord const *record)
{
  struct client client = {0};
  char text[CLIENT_LINE_MAX];
  get_field(record, "ip", client.addr, sizeof client.addr);
  get_field(record, "host", client.name, sizeof client.name);
  get_field(record, "ident", client.login, sizeof client.login);
  get_field(record, "helo", client.helo, sizeof client.helo);
  get_field(record, "proto", client.proto, sizeof client.proto);
  return put(replay, text, client_format(&client, text));
}

static int
put_note(struct replay *replay, char const *key, char const *value, size_t n)
{
  char text[3 * COMMAND_NOTE_VALUE_MAX + 1];
  int used = xtext_encode(value, n, text, sizeof text);
  return put_string(replay, "XNOTE ") && put_string(replay, key) &&
         put_string(replay, "=") && put(replay, text, (size_t)used) &&
         put_string(replay, "\n");
}

/* Keys that the stream tells in another way, or that are not of the message:
 * another queue's id would be taken for an answer. */
static bool
is_told(char const *key)
{
  static char const *const told[] = {"ip",      "host",      "ident",   "helo",
                                     "proto",   "mail_from", "rcpt_to", "note",
                                     "session", "time",      "blind"};
  for (size_t i = 0; i < sizeof told / sizeof *told; i++)
    if (!strcmp(key, told[i]))
      return true;
  return !strncmp(key, "dq.", 3) || jobrecord_is_own(key) ||
         jobmetadata_is_outcome(key);
}

static bool
is_note(struct metadata const *line)
{
  size_t n = strlen(line->key);
  return n && n <= COMMAND_NOTE_KEY_MAX &&
         strspn(line->key, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n &&
         line->value_bytes <= COMMAND_NOTE_VALUE_MAX &&
         !memchr(line->value, 0, line->value_bytes) && !is_told(line->key);
}

static int
put_notes(struct replay *replay, struct jobrecord const *record,
          char const *job)
{
  char session[STAGE_SESSION_MAX + 1];
  get_field(record, "session", session, sizeof session);
  if (!session[0]) {
    size_t n = strnlen(job, STAGE_SESSION_MAX);
    memcpy(session, job, n);
    session[n] = 0;
  }
  if (!put_note(replay, "session", session, strlen(session)))
    return 0;
  for (size_t i = 0; i < record->lines; i++) {
    struct metadata const *line = record->line + i;
    if (is_note(line) &&
        !put_note(replay, line->key, line->value, line->value_bytes))
      return 0;
  }
  return 1;
}

/* Whether n bytes are an address and nothing else. */
static bool
is_address(char const *text, size_t n, struct address *address)
{
  return n && address_parse(text, n, ADDRESS_LAX, address) == n;
}

static int
put_sender(struct replay *replay, struct jobrecord const *record)
{
  struct metadata const *line = jobrecord_find(record, "mail_from");
  struct address address;
  if (!line || !line->value_bytes)
    return put_string(replay, "MAIL FROM:<>\n");
  if (!is_address(line->value, line->value_bytes, &address)) {
    address.text[0] = 0;
    replay->left_out++;
  }
  return put_string(replay, "MAIL FROM:<") &&
         put_string(replay, address.text) && put_string(replay, ">\n");
}

/* " NOTE=name" for each note of the job. */
static int
collect_notes(struct jobrecord const *record, stralloc *notes)
{
  struct metadata const *line = jobrecord_find(record, "note");
  char const *p = line ? line->value : "";
  char const *end = line ? p + line->value_bytes : p;
  for (size_t count = 0; p < end && count < COMMAND_PARAMETERS_MAX;) {
    char const *blank = memchr(p, ' ', (size_t)(end - p));
    size_t n = (size_t)((blank ? blank : end) - p);
    if (envelope_is_note(p, n)) {
      if (!stralloc_cats(notes, " NOTE=") || !stralloc_catb(notes, p, n))
        return 0;
      count++;
    }
    p += n + 1;
  }
  return 1;
}

static int
add_recipient(struct replay *replay, struct address const *address,
              stralloc const *notes)
{
  if (replay->recipients == replay->room) {
    size_t room = replay->room ? replay->room * 2 : 16;
    struct replay_recipient *grown =
        realloc(replay->recipient, room * sizeof *grown);
    if (!grown)
      return 0;
    replay->recipient = grown;
    replay->room = room;
  }
  replay->recipient[replay->recipients++] =
      (struct replay_recipient){replay->addresses.len, address->length, 0, 0};
  return stralloc_catb(&replay->addresses, address->text, address->length) &&
         put_string(replay, "RCPT TO:<") &&
         put(replay, address->text, address->length) &&
         put_string(replay, ">") && put(replay, notes->s, notes->len) &&
         put_string(replay, "\n");
}

static int
add_recipients(struct replay *replay, struct jobrecord const *record,
               char const *fallback, stralloc const *notes)
{
  struct metadata const *line = jobrecord_find(record, "rcpt_to");
  struct address address;
  char const *p = line ? line->value : "";
  char const *end = line ? p + line->value_bytes : p;
  while (p < end) {
    char const *tab = memchr(p, '\t', (size_t)(end - p));
    size_t n = (size_t)((tab ? tab : end) - p);
    bool usable = is_address(p, n, &address) && address.length;
    replay->left_out += !usable;
    if (usable && !add_recipient(replay, &address, notes))
      return 0;
    p += n + 1;
  }
  if (replay->recipients)
    return 1;
  address.length = strlen(fallback);
  memcpy(address.text, fallback, address.length + 1);
  return add_recipient(replay, &address, notes);
}

static int
put_envelope(struct replay *replay, struct jobrecord const *record,
             char const *fallback)
{
  stralloc notes = STRALLOC_ZERO;
  int result = stralloc_ready(&notes, 1) && put_sender(replay, record) &&
               collect_notes(record, &notes) &&
               add_recipients(replay, record, fallback, &notes);
  stralloc_free(&notes);
  return result;
}

int
replay_build(struct replay *replay, struct jobrecord const *record,
             char const *job, uint64_t data_bytes, char const *fallback)
{
  char number[UINT64_FMT];
  replay->text.len = 0;
  replay->addresses.len = 0;
  replay->recipients = 0;
  replay->left_out = 0;
  replay->answered = 0;
  replay->mail_code = replay->last_code = 0;
  replay->reason = NULL;
  replay->queued[0] = replay->worst[0] = 0;
  answers_start(&replay->answers);
  number[uint64_fmt(number, data_bytes)] = 0;
  errno = ENOMEM;
  return put_client(replay, record) && put_notes(replay, record, job) &&
         put_envelope(replay, record, fallback) &&
         put_string(replay, "BDAT ") && put_string(replay, number) &&
         put_string(replay, " LAST\n");
}
