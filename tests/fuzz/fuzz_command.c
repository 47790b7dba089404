#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/command.h"
#include "lib/xtext.h"

/* A parameter lies in the line, and is found by its key. */
static void
check_parameter(struct envelope_command const *command, size_t index,
                char const *text, size_t n)
{
  struct parameter const *p = &command->parameter[index];
  char const *end = text + n;
  FUZZ_HOLDS(p->key >= text && p->key_bytes && p->key + p->key_bytes <= end);
  for (size_t i = 0; i < p->key_bytes; i++)
    FUZZ_HOLDS(ascii_is_alnum(p->key[i]) || (i && p->key[i] == '-'));
  if (p->value) {
    FUZZ_HOLDS(p->value == p->key + p->key_bytes + 1);
    FUZZ_HOLDS(p->value + p->value_bytes <= end);
    for (size_t i = 0; i < p->value_bytes; i++)
      FUZZ_HOLDS(p->value[i] != ' ' && !ascii_is_control(p->value[i]));
  }
  char *key = strndup(p->key, p->key_bytes);
  struct parameter const *found = NULL;
  for (size_t nth = 0; key && nth <= index && found != p; nth++)
    found = command_parameter(command, key, nth);
  FUZZ_HOLDS(!key || found == p);
  free(key);
}

/* Written out again, it is the same command. */
static void
check_again(enum verb verb, struct envelope_command const *command,
            enum address_mode mode)
{
  static char text[100000];
  struct envelope_command again;
  size_t n = (size_t)snprintf(text, sizeof text, "%s:<%s>",
                              verb == VERB_MAIL ? "FROM" : "TO",
                              command->address.text);
  for (size_t i = 0; i < command->parameters; i++) {
    struct parameter const *p = &command->parameter[i];
    size_t bytes = p->key_bytes + (p->value ? 1 + p->value_bytes : 0);
    FUZZ_HOLDS(n + 1 + bytes < sizeof text);
    text[n++] = ' ';
    memcpy(text + n, p->key, bytes);
    n += bytes;
  }
  FUZZ_HOLDS(command_envelope(verb, text, n, mode, &again));
  FUZZ_HOLDS(!strcmp(again.address.text, command->address.text));
  FUZZ_HOLDS(again.parameters == command->parameters);
  for (size_t i = 0; i < again.parameters; i++)
    FUZZ_HOLDS(again.parameter[i].value_bytes ==
               command->parameter[i].value_bytes);
}

static void
check_envelope(enum verb verb, char const *text, size_t n,
               enum address_mode mode)
{
  struct envelope_command command;
  if (!command_envelope(verb, text, n, mode, &command))
    return;
  FUZZ_HOLDS(command.address.length <= ADDRESS_MAX);
  FUZZ_HOLDS(strlen(command.address.text) == command.address.length);
  FUZZ_HOLDS(verb == VERB_MAIL || command.address.length);
  FUZZ_HOLDS(command.parameters <= COMMAND_PARAMETERS_MAX);
  for (size_t i = 0; i < command.parameters; i++)
    check_parameter(&command, i, text, n);
  check_again(verb, &command, mode);
}

static void
check_bdat(char const *text, size_t n)
{
  uint64_t bytes = 7;
  uint64_t again;
  bool last = true;
  if (!command_bdat(text, n, &bytes, &last)) {
    FUZZ_HOLDS(bytes == 7 && last);
    return;
  }
  char line[64];
  int used =
      snprintf(line, sizeof line, "%" PRIu64 "%s", bytes, last ? " LAST" : "");
  bool last_again;
  FUZZ_HOLDS(bytes < 1000000000000000000);
  FUZZ_HOLDS(command_bdat(line, (size_t)used, &again, &last_again));
  FUZZ_HOLDS(again == bytes && last_again == last);
}

static void
check_note(char const *text, size_t n)
{
  struct note note;
  struct note before;
  struct note again;
  char line[COMMAND_LINE_MAX];
  memset(&note, 'x', sizeof note);
  memset(&before, 'x', sizeof before);
  if (!command_note(text, n, &note)) {
    FUZZ_HOLDS(!memcmp(&note, &before, sizeof note));
    return;
  }
  size_t key = strnlen(note.key, sizeof note.key);
  FUZZ_HOLDS(key && key <= COMMAND_NOTE_KEY_MAX);
  FUZZ_HOLDS(note.value_bytes <= COMMAND_NOTE_VALUE_MAX);
  FUZZ_HOLDS(strlen(note.value) == note.value_bytes);
  FUZZ_HOLDS(!strchr(note.value, '\n'));
  memcpy(line, note.key, key);
  line[key++] = '=';
  int value =
      xtext_encode(note.value, note.value_bytes, line + key, sizeof line - key);
  FUZZ_HOLDS(value >= 0);
  FUZZ_HOLDS(command_note(line, key + (size_t)value, &again));
  FUZZ_HOLDS(!strcmp(again.key, note.key) && !strcmp(again.value, note.value));
}

static void
check_arguments(char const *text, size_t n)
{
  for (int strict = 0; strict < 2; strict++) {
    enum address_mode mode = strict ? ADDRESS_STRICT : ADDRESS_LAX;
    check_envelope(VERB_MAIL, text, n, mode);
    check_envelope(VERB_RCPT, text, n, mode);
  }
  check_bdat(text, n);
  check_note(text, n);
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  char const *line = (char const *)data;
  size_t rest = SIZE_MAX;
  enum verb verb = command_verb(line, n, &rest);
  FUZZ_HOLDS(rest <= n);
  FUZZ_HOLDS((verb == VERB_ANSWER) == command_is_answer(line, n));
  FUZZ_HOLDS(verb != VERB_ANSWER || rest == 0);
  check_arguments(line, n);
  if (rest)
    check_arguments(line + rest, n - rest);
  return 0;
}
