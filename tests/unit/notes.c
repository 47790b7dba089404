/* Notes: which one holds, how long, and the limits. */
#include <stdio.h>
#include <string.h>

#include "deliver/notes.h"
#include "tests/unit/tap.h"

static struct notes notes;

static int
add(enum notes_kind kind, char const *key, char const *value)
{
  struct note note;
  snprintf(note.key, sizeof note.key, "%s", key);
  snprintf(note.value, sizeof note.value, "%s", value);
  note.value_bytes = strlen(note.value);
  return notes_add(&notes, kind, &note);
}

/* All notes that hold, as "key=value key=value". */
static void
hold(char const *wanted, char const *name)
{
  char text[1024] = "";
  char const *key, *value;
  size_t bytes, used = 0;
  for (size_t i = 0; notes_get(&notes, i, &key, &value, &bytes); i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%s",
                             i ? " " : "", key, value);
  tap_is_string(text, wanted, name);
}

static void
test_kinds(void)
{
  notes_reset(&notes);
  hold("", "none at first");
  tap_ok(!notes_value(&notes, "a"), "and no value");
  add(NOTES_SESSION, "a", "1");
  add(NOTES_SESSION, "b", "2");
  hold("a=1 b=2", "two of the session");
  add(NOTES_SESSION, "a", "other");
  hold("b=2 a=other", "the later of one key holds");
  add(NOTES_TRANSACTION, "b", "3");
  add(NOTES_TRANSACTION, "c", "");
  hold("a=other b=3 c=", "the transaction's hides the session's");
  tap_is_string(notes_value(&notes, "b"), "3", "and is the value");
  add(NOTES_TRANSACTION, "b", "4");
  hold("a=other c= b=4", "the later of one transaction holds");
  notes_end_transaction(&notes);
  hold("b=2 a=other", "the session's are back after the transaction");
  notes_end_transaction(&notes);
  hold("b=2 a=other", "and stay");
  add(NOTES_SESSION, "d", "5");
  hold("b=2 a=other d=5", "another of the session");
  notes_reset(&notes);
  hold("", "none after a reset");
}

static void
test_count(void)
{
  char key[16];
  int added = 0;
  notes_reset(&notes);
  for (int i = 0; i < NOTES_MAX - 1; i++) {
    snprintf(key, sizeof key, "k%d", i);
    added += add(NOTES_SESSION, key, "v");
  }
  tap_is_number(added, NOTES_MAX - 1, "one less than the limit");
  tap_ok(add(NOTES_TRANSACTION, "last", "v"), "the limit");
  tap_ok(!add(NOTES_TRANSACTION, "more", "v"), "one more");
  tap_ok(add(NOTES_TRANSACTION, "last", "w"), "a known key finds its place");
  notes_end_transaction(&notes);
  tap_ok(add(NOTES_TRANSACTION, "more", "v"), "room after the transaction");
}

static void
test_bytes(void)
{
  char value[COMMAND_NOTE_VALUE_MAX + 1];
  char key[16];
  memset(value, 'v', sizeof value - 1);
  value[sizeof value - 1] = 0;
  notes_reset(&notes);
  /* each takes 2 + 1 + 1024 + 1 */
  for (int i = 10; i < 25; i++) {
    snprintf(key, sizeof key, "%d", i);
    add(NOTES_SESSION, key, value);
  }
  size_t left = sizeof notes.text - notes.used;
  tap_is_number((long long)left, NOTES_BYTES - 15 * 1028, "what is left");
  value[left - 4 + 1] = 0;
  tap_ok(!add(NOTES_SESSION, "xx", value), "one byte too many");
  value[left - 4] = 0;
  tap_ok(add(NOTES_SESSION, "xx", value), "exactly to the end");
  tap_ok(!add(NOTES_SESSION, "y", ""), "then nothing more");
  tap_is_string(notes_value(&notes, "xx"), value, "it is whole");
}

static void
test_many_rounds(void)
{
  notes_reset(&notes);
  int added = 0;
  for (int i = 0; i < 100000; i++) {
    char value[16];
    snprintf(value, sizeof value, "%d", i);
    added += add(NOTES_SESSION, "a", value) + add(NOTES_SESSION, "b", value);
  }
  tap_is_number(added, 200000, "one key again and again needs no more room");
  hold("a=99999 b=99999", "the last ones hold");
}

int
main(void)
{
  test_kinds();
  test_count();
  test_bytes();
  test_many_rounds();
  return tap_done();
}
