/* sources: smtpd/smtp.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "lib/ascii.h"
#include "smtpd/smtp.h"

/* What goes into the stream must be read there as the same command, and must
 * hold nothing that only a stage may say. */
static void
check_format(enum verb verb, struct envelope_command const *command)
{
  static char line[COMMAND_LINE_MAX];
  static struct envelope_command again;
  bool is_mail = verb == VERB_MAIL;
  size_t rest;
  size_t n = smtp_format(is_mail ? "MAIL FROM" : "RCPT TO", command, line,
                         sizeof line);
  if (!n)
    return;
  FUZZ_HOLDS(n <= sizeof line && memchr(line, '\n', n) == line + n - 1);
  FUZZ_HOLDS(command_verb(line, n - 1, &rest) == verb);
  FUZZ_HOLDS(
      command_envelope(verb, line + rest, n - 1 - rest, ADDRESS_LAX, &again));
  FUZZ_HOLDS(!strcmp(again.address.text, command->address.text));
  FUZZ_HOLDS(again.parameters == command->parameters);
  FUZZ_HOLDS(!command_parameter(&again, "NOTE", 0));
  FUZZ_HOLDS(!command_parameter(&again, "CHECKED", 0));
}

static void
check_envelope(char const *text, size_t n)
{
  static struct envelope_command command;
  if (command_envelope(VERB_MAIL, text, n, ADDRESS_LAX, &command) &&
      smtp_mail_parameters(&command, 1000, n % 2) == SMTP_PARAMETERS_OK)
    check_format(VERB_MAIL, &command);
  if (command_envelope(VERB_RCPT, text, n, ADDRESS_LAX, &command) &&
      smtp_rcpt_parameters(&command) == SMTP_PARAMETERS_OK)
    check_format(VERB_RCPT, &command);
}

static void
check_enhance(char const *text, size_t n)
{
  char answer[481], out[510];
  if (!command_is_answer(text, n))
    return;
  if (*text == '!')
    text++, n--;
  n = n < sizeof answer - 1 ? n : sizeof answer - 1;
  for (size_t i = 0; i < n; i++)
    answer[i] = (char)(text[i] < 0x20 || text[i] > 0x7e ? '?' : text[i]);
  answer[n] = 0;
  smtp_enhance(answer, out, sizeof out);
  FUZZ_HOLDS(strlen(out) >= n && strlen(out) <= n + strlen(" 5.0.0 "));
  FUZZ_HOLDS(!memcmp(out, answer, 3));
  FUZZ_HOLDS(answer[0] == '3' || (out[3] == ' ' && out[4] == answer[0]));
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  char const *line = (char const *)data;
  size_t rest = SIZE_MAX, bytes = SIZE_MAX;
  enum smtp_verb verb = smtp_verb(line, n, &rest, &bytes);
  FUZZ_HOLDS(rest <= n && bytes <= n - rest);
  FUZZ_HOLDS(!bytes || (!ascii_is_blank(line[rest]) &&
                        !ascii_is_blank(line[rest + bytes - 1])));
  for (size_t i = 0; i < bytes && verb != SMTP_INVALID; i++)
    FUZZ_HOLDS(!ascii_is_control(line[rest + i]) || line[rest + i] == '\t');
  check_envelope(line + rest, bytes);
  check_envelope(line, n);
  check_enhance(line, n);
  return 0;
}
