/* sources: smtpd/dialect.c smtpd/smtp.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "smtpd/dialect.h"

/* Whatever was said: printable fields of their kinds. */
static void
check(struct dialect const *dialect, bool session)
{
  char out[DIALECT_MAX + 1];
  size_t parts = 1;
  memset(out, 'x', sizeof out);
  dialect_format(dialect, session, out);
  FUZZ_HOLDS(memchr(out, 0, sizeof out) != NULL);
  for (char const *p = out; *p; p++) {
    FUZZ_HOLDS(*p == ';' || *p == '-' || (*p >= 'A' && *p <= 'Z') ||
               (*p >= 'a' && *p <= 'z'));
    parts += *p == ';';
  }
  FUZZ_HOLDS(parts == 7);
  FUZZ_HOLDS(strstr(out, ";;") == NULL && *out != ';');
}

/* Lines as the wire has them, with LF at their ends. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static struct dialect dialect;
  char const *line = (char const *)data, *lf;
  dialect_start(&dialect, "mx.trap.example", n & 1 ? "192.0.2.1" : "");
  while ((lf = memchr(line, '\n', n)) != NULL) {
    size_t length = (size_t)(lf - line) + 1;
    if (length > 1 && lf[-1] == '\t')
      dialect_long_line(&dialect, line, length);
    else
      dialect_command(&dialect, line, length, length & 1);
    check(&dialect, false);
    check(&dialect, true);
    if (length == 7)
      dialect_next(&dialect);
    line += length;
    n -= length;
  }
  check(&dialect, false);
  return 0;
}
