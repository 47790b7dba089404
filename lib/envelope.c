#include "lib/envelope.h"

#include <string.h>

void
envelope_reset(struct envelope *envelope)
{
  envelope->has_sender = false;
  envelope->sender_bytes = 0;
  envelope->recipients = 0;
  envelope->address_bytes = 0;
  envelope->note_bytes = 0;
}

void
envelope_set_sender(struct envelope *envelope, struct address const *sender)
{
  envelope->has_sender = true;
  envelope->sender_bytes = sender->length;
  memcpy(envelope->sender, sender->text, sender->length);
  envelope->sender[sender->length] = 0;
}

int
envelope_is_note(char const *name, size_t n)
{
  static char const allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789._-";
  if (!n || n > ENVELOPE_NOTE_MAX)
    return 0;
  for (size_t i = 0; i < n; i++)
    if (!memchr(allowed, name[i], sizeof allowed - 1))
      return 0;
  return 1;
}

int
envelope_has_note(struct envelope_command const *recipient, char const *name)
{
  size_t n = strlen(name);
  struct parameter const *parameter;
  for (size_t i = 0; (parameter = command_parameter(recipient, "NOTE", i)); i++)
    if (parameter->value && parameter->value_bytes == n &&
        memcmp(parameter->value, name, n) == 0)
      return 1;
  return 0;
}

/* Whether the blank-separated list of n bytes has this name. */
static int
list_has(char const *list, size_t n, char const *name, size_t name_bytes)
{
  char const *end = list + n;
  while (list < end) {
    char const *blank = memchr(list, ' ', (size_t)(end - list));
    char const *stop = blank ? blank : end;
    if ((size_t)(stop - list) == name_bytes &&
        memcmp(list, name, name_bytes) == 0)
      return 1;
    list = blank ? blank + 1 : end;
  }
  return 0;
}

/* Add a name to the list of *used bytes in out unless it is there. 1, or 0 if
 * there is no room. */
static int
list_add(char *out, size_t size, size_t *used, struct parameter const *name)
{
  if (list_has(out, *used, name->value, name->value_bytes))
    return 1;
  size_t blank = *used ? 1 : 0;
  if (name->value_bytes + blank > size - *used)
    return 0;
  if (blank)
    out[(*used)++] = ' ';
  memcpy(out + *used, name->value, name->value_bytes);
  *used += name->value_bytes;
  return 1;
}

/* The notes of one recipient, written at out. 1, or 0 if there is no room. */
static int
add_notes(struct envelope_command const *recipient, char *out, size_t size,
          size_t *used)
{
  struct parameter const *parameter;
  for (size_t i = 0; (parameter = command_parameter(recipient, "NOTE", i));
       i++) {
    if (!parameter->value ||
        !envelope_is_note(parameter->value, parameter->value_bytes))
      continue;
    if (!list_add(out, size, used, parameter))
      return 0;
  }
  return 1;
}

static int
has_control(char const *text, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
      return 1;
  return 0;
}

int
envelope_add(struct envelope *envelope,
             struct envelope_command const *recipient)
{
  struct address const *address = &recipient->address;
  size_t address_room = sizeof envelope->address - envelope->address_bytes;
  size_t note_room = sizeof envelope->note - envelope->note_bytes;
  size_t notes = 0;
  if (!address->length || has_control(address->text, address->length) ||
      address->length + 1 > address_room || !note_room)
    return 0;
  if (!add_notes(recipient, envelope->note + envelope->note_bytes,
                 note_room - 1, &notes))
    return 0;
  memcpy(envelope->address + envelope->address_bytes, address->text,
         address->length);
  envelope->address_bytes += address->length;
  envelope->address[envelope->address_bytes++] = '\t';
  envelope->note_bytes += notes;
  envelope->note[envelope->note_bytes++] = '\t';
  envelope->recipients++;
  return 1;
}

/* What stands before the next TAB; *offset moves behind it. */
static size_t
next_field(char const *text, size_t n, size_t *offset, char const **field)
{
  *field = text + *offset;
  char const *tab = memchr(*field, '\t', n - *offset);
  size_t bytes = tab ? (size_t)(tab - *field) : n - *offset;
  *offset += bytes + 1;
  return bytes;
}

int
envelope_next(struct envelope const *envelope, struct envelope_cursor *cursor,
              struct envelope_recipient *recipient)
{
  if (cursor->address >= envelope->address_bytes ||
      cursor->note >= envelope->note_bytes)
    return 0;
  recipient->address_bytes =
      next_field(envelope->address, envelope->address_bytes, &cursor->address,
                 &recipient->address);
  recipient->notes_bytes = next_field(envelope->note, envelope->note_bytes,
                                      &cursor->note, &recipient->notes);
  return 1;
}

char const *
envelope_recipients(struct envelope const *envelope, size_t *n)
{
  *n = envelope->address_bytes ? envelope->address_bytes - 1 : 0;
  return envelope->address;
}

size_t
envelope_notes(struct envelope const *envelope, char *out, size_t size)
{
  struct envelope_cursor cursor = {0, 0};
  struct envelope_recipient recipient;
  size_t used = 0;
  if (!size)
    return 0;
  while (envelope_next(envelope, &cursor, &recipient)) {
    char const *p = recipient.notes;
    char const *end = p + recipient.notes_bytes;
    while (p < end) {
      char const *blank = memchr(p, ' ', (size_t)(end - p));
      char const *stop = blank ? blank : end;
      struct parameter name = {.value = p, .value_bytes = (size_t)(stop - p)};
      list_add(out, size - 1, &used, &name);
      p = blank ? blank + 1 : end;
    }
  }
  out[used] = 0;
  return used;
}
