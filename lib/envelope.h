/*
 * The envelope of one transaction, remembered: sender and recipients with
 * their notes. Pure: a fixed arena, no allocation.
 */
#ifndef TRAPLINE_LIB_ENVELOPE_H
#define TRAPLINE_LIB_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"
#include "lib/command.h"

#define ENVELOPE_ADDRESS_BYTES (96 * 1024) /* one more for each recipient */
#define ENVELOPE_NOTE_BYTES (32 * 1024)    /* likewise */
#define ENVELOPE_NOTE_MAX 32               /* bytes in the name of a note */

/* Addresses are as struct address has them: no brackets, no route. */
struct envelope {
  bool has_sender;
  size_t sender_bytes; /* 0: the null reverse-path, if has_sender */
  char sender[ADDRESS_MAX + 1];
  size_t recipients;
  size_t address_bytes;
  size_t note_bytes;
  char address[ENVELOPE_ADDRESS_BYTES]; /* one TAB after each address */
  char note[ENVELOPE_NOTE_BYTES];       /* one TAB after each recipient's notes,
                                           one blank between them */
};

/* Where a walk over the recipients is. Start with all zero. */
struct envelope_cursor {
  size_t address;
  size_t note;
};

/* One recipient. Both point into the envelope and are not NUL-terminated. */
struct envelope_recipient {
  char const *address;
  size_t address_bytes;
  char const *notes; /* names, one blank between them; may be none */
  size_t notes_bytes;
};

/* Forget everything. An envelope must be reset before its first use. Costs
 * nothing that depends on the arena's size. */
void envelope_reset(struct envelope *envelope);

void envelope_set_sender(struct envelope *envelope,
                         struct address const *sender);

/*
 * Add the recipient of a RCPT command and the names of its NOTE= parameters; a
 * NOTE= that is not envelope_is_note() is left out, and so is one that the
 * recipient has already. 1, or 0 if the arena is full or the address is empty
 * or holds a control character; the envelope is then as it was.
 */
int envelope_add(struct envelope *envelope,
                 struct envelope_command const *recipient);

/* 1 if the name is 1 to 32 of A-Z a-z 0-9 . _ - */
int envelope_is_note(char const *name, size_t n);

/* 1 if the RCPT command has a NOTE=name parameter with exactly this name. */
int envelope_has_note(struct envelope_command const *recipient,
                      char const *name);

/* The next recipient, in the order in which they were added. 1, or 0 after the
 * last one. */
int envelope_next(struct envelope const *envelope,
                  struct envelope_cursor *cursor,
                  struct envelope_recipient *recipient);

/* All recipients as one text, one TAB between them. It points into the
 * envelope; *n is its length. */
char const *envelope_recipients(struct envelope const *envelope, size_t *n);

/* The distinct notes of all recipients into out (room for size bytes), one
 * blank between them, in order of appearance, NUL-terminated. Returns the
 * length; a note that does not fit is left out. */
size_t envelope_notes(struct envelope const *envelope, char *out, size_t size);

#endif
