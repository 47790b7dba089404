#include "lib/command.h"

#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/xtext.h"

static size_t
skip_blanks(char const *text, size_t n, size_t i)
{
  while (i < n && ascii_is_blank(text[i]))
    i++;
  return i;
}

static size_t
skip_word(char const *text, size_t n, size_t i)
{
  while (i < n && !ascii_is_blank(text[i]))
    i++;
  return i;
}

static int
is_word(char const *text, size_t n, char const *word)
{
  return n == strlen(word) && !strncasecmp(text, word, n);
}

int
command_is_answer(char const *line, size_t n)
{
  if (n && *line == '!') {
    line++;
    n--;
  }
  return n >= 3 && line[0] >= '2' && line[0] <= '5' &&
         ascii_is_digit(line[1]) && ascii_is_digit(line[2]) &&
         (n == 3 || ascii_is_blank(line[3]));
}

enum verb
command_verb(char const *line, size_t n, size_t *rest)
{
  static struct {
    char const *name;
    enum verb verb;
  } const verbs[] = {
      {"MAIL", VERB_MAIL}, {"RCPT", VERB_RCPT},       {"BDAT", VERB_BDAT},
      {"RSET", VERB_RSET}, {"XCLIENT", VERB_XCLIENT}, {"XNOTE", VERB_XNOTE},
  };
  if (command_is_answer(line, n)) {
    *rest = 0;
    return VERB_ANSWER;
  }
  size_t word = skip_word(line, n, 0);
  *rest = skip_blanks(line, n, word);
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    if (is_word(line, word, verbs[i].name))
      return verbs[i].verb;
  return VERB_OTHER;
}

/* Returns 0 if the n bytes of text are no esmtp-param. */
static int
read_parameter(char const *text, size_t n, struct parameter *parameter)
{
  size_t key = 0;
  while (key < n && (ascii_is_alnum(text[key]) || (key && text[key] == '-')))
    key++;
  if (key == 0 || (key < n && text[key] != '='))
    return 0;
  for (size_t i = key; i < n; i++)
    if (ascii_is_control(text[i]))
      return 0;
  *parameter = (struct parameter){.key = text, .key_bytes = key};
  if (key < n) {
    parameter->value = text + key + 1;
    parameter->value_bytes = n - key - 1;
  }
  return 1;
}

int
command_parameters(char const *text, size_t n, struct envelope_command *command)
{
  size_t count = 0;
  for (size_t i = skip_blanks(text, n, 0); i < n; i = skip_blanks(text, n, i)) {
    size_t stop = skip_word(text, n, i);
    if (count == COMMAND_PARAMETERS_MAX ||
        !read_parameter(text + i, stop - i, &command->parameter[count]))
      return 0;
    count++;
    i = stop;
  }
  command->parameters = count;
  return 1;
}

int
command_envelope(enum verb verb, char const *text, size_t n,
                 enum address_mode mode, struct envelope_command *command)
{
  char const *word = verb == VERB_MAIL ? "FROM:" : "TO:";
  size_t start = strlen(word);
  struct address address;
  if (n < start || !is_word(text, start, word))
    return 0;
  size_t path = address_parse(text + start, n - start, mode, &address);
  if (path == 0 || (verb == VERB_RCPT && address.length == 0))
    return 0;
  start += path;
  if (!command_parameters(text + start, n - start, command))
    return 0;
  command->address.length = address.length;
  memcpy(command->address.text, address.text, address.length + 1);
  return 1;
}

struct parameter const *
command_parameter(struct envelope_command const *command, char const *key,
                  size_t nth)
{
  for (size_t i = 0; i < command->parameters; i++) {
    struct parameter const *parameter = &command->parameter[i];
    if (is_word(parameter->key, parameter->key_bytes, key) && nth-- == 0)
      return parameter;
  }
  return NULL;
}

int
command_bdat(char const *text, size_t n, uint64_t *bytes, bool *last)
{
  uint64_t count = 0;
  size_t digits = 0;
  for (; digits < n && ascii_is_digit(text[digits]); digits++) {
    if (digits == 18)
      return 0;
    count = count * 10 + (uint64_t)(text[digits] - '0');
  }
  size_t start = skip_blanks(text, n, digits);
  size_t stop = skip_word(text, n, start);
  bool has_word = stop > start;
  if (digits == 0 || skip_blanks(text, n, stop) != n ||
      (has_word &&
       (start == digits || !is_word(text + start, stop - start, "LAST"))))
    return 0;
  *bytes = count;
  *last = has_word;
  return 1;
}

int
command_note(char const *text, size_t n, struct note *note)
{
  char value[COMMAND_NOTE_VALUE_MAX + 1];
  size_t key = 0;
  while (key < n &&
         (ascii_is_digit(text[key]) || text[key] == '.' || text[key] == '_' ||
          text[key] == '-' || (text[key] >= 'a' && text[key] <= 'z')))
    key++;
  if (key == 0 || key > COMMAND_NOTE_KEY_MAX || key == n || text[key] != '=')
    return 0;
  int bytes = xtext_decode(text + key + 1, n - key - 1, value, sizeof value);
  if (bytes < 0 || memchr(value, '\n', (size_t)bytes))
    return 0;
  memcpy(note->key, text, key);
  note->key[key] = '\0';
  memcpy(note->value, value, (size_t)bytes + 1);
  note->value_bytes = (size_t)bytes;
  return 1;
}
