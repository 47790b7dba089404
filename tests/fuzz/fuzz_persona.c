/* sources: smtpd/persona.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "smtpd/persona.h"

/* Input: a rule's reply, a LF, and what a client says. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static char theirs[8192], said[8192], out[PERSONA_TEXT_MAX];
  uint8_t const *lf = n ? memchr(data, '\n', n) : NULL;
  size_t rule_bytes = lf ? (size_t)(lf - data) : n;
  size_t said_bytes = lf ? n - rule_bytes - 1 : 0;
  if (rule_bytes > sizeof theirs - 5 || said_bytes > sizeof said - 1)
    return 0;
  memcpy(theirs, "250 ", 4);
  if (n)
    memcpy(theirs + 4, data, rule_bytes);
  theirs[4 + rule_bytes] = 0;
  if (said_bytes)
    memcpy(said, lf + 1, said_bytes);
  said[said_bytes] = 0;
  struct persona_rule rule = {"*", "250", theirs};
  struct persona_facts facts = {.me = "mx.example",
                                .helo = said,
                                .ip = "192.0.2.1",
                                .from = said,
                                .to = said,
                                .argument = said,
                                .argument_bytes = said_bytes,
                                .starttls = said_bytes % 2,
                                .number = said_bytes};
  memset(out, 'x', sizeof out);
  persona_expand(&rule, "250 2.1.0 Ok", &facts, out);
  size_t used = 0;
  for (char const *line = out; *line; line += strlen(line) + 1) {
    size_t length = strlen(line);
    bool last = !line[length + 1];
    FUZZ_HOLDS(length >= 4 && !memcmp(line, "250", 3));
    FUZZ_HOLDS(line[3] == (last ? ' ' : '-'));
    for (size_t i = 0; i < length; i++)
      FUZZ_HOLDS(line[i] >= 0x20 && line[i] < 0x7f);
    used += length + 1;
  }
  FUZZ_HOLDS(used && used < sizeof out);
  return 0;
}
