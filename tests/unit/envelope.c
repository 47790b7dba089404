/* The envelope remembered: what goes in comes out, and the arena's limits. */
#include <stdio.h>
#include <string.h>

#include "lib/envelope.h"
#include "tests/unit/tap.h"

static struct envelope envelope;

/* A RCPT command with this address and these parameters, all NOTE=value. */
static struct envelope_command
recipient(char const *address, size_t notes, char const *const *note)
{
  struct envelope_command command;
  memset(&command, 0, sizeof command);
  command.address.length = strlen(address);
  memcpy(command.address.text, address, command.address.length + 1);
  for (size_t i = 0; i < notes; i++) {
    struct parameter *parameter = &command.parameter[command.parameters++];
    parameter->key = "NOTE";
    parameter->key_bytes = 4;
    parameter->value = note[i];
    parameter->value_bytes = note[i] ? strlen(note[i]) : 0;
  }
  return command;
}

static int
add(char const *address, char const *note)
{
  struct envelope_command command = recipient(address, note ? 1 : 0, &note);
  return envelope_add(&envelope, &command);
}

static void
is_next(struct envelope_cursor *cursor, char const *address, char const *notes)
{
  struct envelope_recipient got;
  tap_ok(envelope_next(&envelope, cursor, &got), "there is %s", address);
  tap_is_bytes(got.address, got.address_bytes, address, strlen(address),
               "its address");
  tap_is_bytes(got.notes, got.notes_bytes, notes, strlen(notes), "its notes");
}

static void
test_walk(void)
{
  char const *const several[] = {"ham", NULL, "ha m", "retired", "ham", ""};
  struct envelope_command command = recipient("c@d", 6, several);
  struct envelope_cursor cursor = {0, 0};
  struct envelope_recipient none;
  char notes[64];
  size_t n;

  envelope_reset(&envelope);
  envelope_recipients(&envelope, &n);
  tap_is_number((long long)n, 0, "no recipients at first");
  tap_ok(!envelope_next(&envelope, &cursor, &none), "and no first one");
  tap_ok(add("a@b", NULL), "without a note");
  tap_ok(envelope_add(&envelope, &command), "with several");
  tap_ok(add("e@f", "last"), "with one");
  tap_is_number((long long)envelope.recipients, 3, "three recipients");
  is_next(&cursor, "a@b", "");
  is_next(&cursor, "c@d", "ham retired");
  is_next(&cursor, "e@f", "last");
  tap_ok(!envelope_next(&envelope, &cursor, &none), "and then no more");
  char const *all = envelope_recipients(&envelope, &n);
  tap_is_bytes(all, n, "a@b\tc@d\te@f", 11, "all of them");
  tap_is_number((long long)envelope_notes(&envelope, notes, sizeof notes), 16,
                "length of the distinct notes");
  tap_is_string(notes, "ham retired last", "the distinct notes");
  envelope_notes(&envelope, notes, 12);
  tap_is_string(notes, "ham retired", "as many notes as fit");
  envelope_notes(&envelope, notes, 11);
  tap_is_string(notes, "ham last", "a note is never cut");
}

static void
test_notes(void)
{
  char const *const two[] = {"ham", "spam.1_x-Y"};
  struct envelope_command command = recipient("a@b", 2, two);
  char const *const longest = "abcdefghijabcdefghijabcdefghij01";
  char const *const too_long = "abcdefghijabcdefghijabcdefghij012";
  tap_ok(envelope_has_note(&command, "ham"), "the first note");
  tap_ok(envelope_has_note(&command, "spam.1_x-Y"), "the second");
  tap_ok(!envelope_has_note(&command, "Ham"), "case matters");
  tap_ok(!envelope_has_note(&command, "ha"), "a part is no note");
  tap_ok(envelope_is_note(longest, 32), "32 bytes");
  tap_ok(!envelope_is_note(too_long, 33), "33 bytes");
  tap_ok(envelope_is_note("a", 1), "1 byte");
  tap_ok(!envelope_is_note("", 0), "no byte");
  tap_ok(!envelope_is_note("a\tb", 3), "a TAB");
  tap_ok(!envelope_is_note("a\0b", 3), "a NUL");
}

static void
test_sender(void)
{
  struct address sender = {.length = 3, .text = "a@b"};
  struct address null_sender = {.length = 0, .text = ""};
  envelope_reset(&envelope);
  tap_ok(!envelope.has_sender, "no sender at first");
  envelope_set_sender(&envelope, &sender);
  tap_is_string(envelope.sender, "a@b", "sender");
  envelope_set_sender(&envelope, &null_sender);
  tap_ok(envelope.has_sender && !envelope.sender_bytes, "null sender");
  tap_is_string(envelope.sender, "", "its text");
  envelope_reset(&envelope);
  tap_ok(!envelope.has_sender, "no sender after a reset");
}

/* Fill the addresses up but for left bytes. */
static void
fill_addresses(size_t left)
{
  char text[ADDRESS_MAX + 1];
  memset(text, 'a', sizeof text);
  text[511] = 0;
  envelope_reset(&envelope);
  size_t room = sizeof envelope.address - left;
  while (room - envelope.address_bytes > 1024)
    add(text, NULL);
  text[room - envelope.address_bytes - 514] = 0;
  add(text, NULL);
  memset(text, 'a', 512);
  text[512] = 0;
  add(text, NULL);
}

static void
test_limits(void)
{
  size_t n;
  fill_addresses(5);
  tap_is_number((long long)(sizeof envelope.address - envelope.address_bytes),
                5, "five bytes left");
  tap_ok(!add("ab@cd", NULL), "one byte too many");
  envelope_recipients(&envelope, &n);
  tap_is_number((long long)(sizeof envelope.address - n), 6, "nothing changed");
  tap_ok(add("a@cd", NULL), "exactly to the end");
  tap_ok(!add("a", NULL), "then nothing more");

  envelope_reset(&envelope);
  size_t added = 0;
  while (add("a@b", "abcdefghijabcdefghijabcdefghij01"))
    added++;
  tap_is_number((long long)added, ENVELOPE_NOTE_BYTES / 33,
                "as many notes as the arena holds");
  tap_is_number((long long)envelope.recipients, (long long)added,
                "a recipient whose notes do not fit is not added");
  tap_is_number((long long)envelope.address_bytes, (long long)added * 4,
                "nor its address");
}

static void
test_refused(void)
{
  envelope_reset(&envelope);
  tap_ok(!add("", NULL), "an empty address");
  tap_ok(!add("a\tb@c", NULL), "an address with a TAB");
  tap_ok(!add("a\nb@c", NULL), "with a LF");
  tap_ok(!add("a\177@c", NULL), "with a DEL");
  tap_ok(add("\"a b\"@\xc3\xa9", NULL), "blanks and UTF-8 are good");
  tap_is_number((long long)envelope.recipients, 1, "one was taken");
}

int
main(void)
{
  test_walk();
  test_notes();
  test_sender();
  test_limits();
  test_refused();
  return tap_done();
}
