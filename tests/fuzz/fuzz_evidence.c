/* sources: smtpd/evidence.c smtpd/evidencebody.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "smtpd/evidence.h"
#include "smtpd/evidencebody.h"

#define MOST 20000

struct seen {
  size_t used;
  bool bad;
  uint64_t line;
  char text[16 * MOST];
};

/* What comes of the input in pieces of this size. */
static void
read_all(char const *in, size_t n, size_t size, struct seen *seen)
{
  struct evidence reader = {0};
  struct evidencebody body = {0};
  bool inside = false;
  uint64_t bytes = 0;
  seen->used = 0;
  seen->bad = false;
  for (size_t at = 0, taken; at < n && !seen->bad; at += taken) {
    struct evidence_piece piece;
    size_t some = n - at < size ? n - at : size;
    enum evidence_result result =
        evidence_next(&reader, in + at, some, &taken, &piece);
    FUZZ_HOLDS(taken && taken <= some);
    FUZZ_HOLDS(result != EVIDENCE_MORE || taken == some);
    seen->bad = result == EVIDENCE_BAD;
    if (result != EVIDENCE_PIECE)
      continue;
    uint64_t before = body.messages;
    uint64_t message = evidencebody_see(&body, &piece);
    FUZZ_HOLDS(body.messages - before <= 1);
    FUZZ_HOLDS(message <= body.messages &&
               (message != 0) == (piece.kind == 'B'));
    FUZZ_HOLDS(piece.first != inside && piece.n <= n);
    inside = !piece.last;
    bytes = piece.first ? piece.n : bytes + piece.n;
    FUZZ_HOLDS(piece.kind != 'B' ||
               (piece.last ? bytes == piece.number : bytes <= piece.number));
    if (piece.first)
      seen->text[seen->used++] = piece.kind;
    memcpy(seen->text + seen->used, piece.bytes, piece.n);
    seen->used += piece.n;
  }
  seen->line = reader.at;
  FUZZ_HOLDS(reader.at <= reader.line + 1);
}

/* However it is cut in pieces, the same comes of it; what is escaped comes
 * back. The bytes of what was cut short may come or not. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static struct seen one, other;
  static char text[4 * MOST + 32];
  if (n > MOST)
    return 0;
  char const *in = (char const *)data;
  read_all(in, n, MOST, &one);
  read_all(in, n, 1, &other);
  FUZZ_HOLDS(one.bad == other.bad && one.line == other.line &&
             one.used == other.used && !memcmp(one.text, other.text, one.used));
  size_t used = (size_t)sprintf(text, "V 0 1\nC 0 ");
  used += evidence_escape(in, n, text + used);
  text[used++] = '\n';
  read_all(text, used, 777, &one);
  FUZZ_HOLDS(!one.bad && one.used == n + 2 && !memcmp(one.text + 2, in, n));
  return 0;
}
