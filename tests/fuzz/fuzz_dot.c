/* sources: smtpd/dot.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "smtpd/dot.h"

#define INPUT_MAX 4096

/* What is decoded, and how much of the input that took. */
struct body {
  char bytes[INPUT_MAX + DOT_HELD_MAX];
  size_t used;
  size_t taken;
  int ended;
};

/* By looking at the whole: see tests/unit/dot.c. */
static void
decode_whole(char const *in, size_t n, struct body *body)
{
  size_t start = 0;
  body->used = 0;
  body->ended = 0;
  body->taken = n;
  while (start < n) {
    char const *crlf = memmem(in + start, n - start, "\r\n", 2);
    size_t length = crlf ? (size_t)(crlf - in) - start : n - start;
    size_t dot = in[start] == '.';
    if (crlf && length == 1 && dot) {
      body->ended = 1;
      body->taken = start + 3;
      return;
    }
    memcpy(body->bytes + body->used, in + start + dot, length - dot);
    body->used += length - dot;
    if (crlf)
      body->bytes[body->used++] = '\n';
    else if (length > dot && in[n - 1] == '\r')
      body->used--;
    start += length + 2;
  }
}

/* Feed pieces of size bytes, each into just the room that it may need. */
static void
decode_pieces(char const *in, size_t n, size_t size, struct body *body)
{
  enum dot_state state = DOT_LINE_START;
  body->used = 0;
  body->taken = 0;
  while (body->taken < n && state != DOT_END) {
    size_t piece = n - body->taken < size ? n - body->taken : size;
    bool in_place = size % 2;
    size_t ahead = in_place ? DOT_HELD_MAX + DOT_AHEAD : 0;
    char *out = malloc(DOT_HELD_MAX + ahead + piece);
    char const *from = in + body->taken;
    size_t made = 0;
    if (!out)
      return;
    if (in_place)
      from = memcpy(out + ahead, from, piece);
    size_t taken = dot_decode(&state, from, piece, out, &made);
    FUZZ_HOLDS(taken == piece || state == DOT_END);
    FUZZ_HOLDS(made <= piece + DOT_HELD_MAX);
    memcpy(body->bytes + body->used, out, made);
    body->used += made;
    body->taken += taken;
    free(out);
  }
  body->ended = state == DOT_END;
}

static void
check_newlines(char const *in, size_t n, size_t size)
{
  static char out[INPUT_MAX + DOT_HELD_MAX];
  enum dot_state state = DOT_LINE;
  size_t used = 0;
  for (size_t i = 0; i < n; i += size)
    used +=
        dot_newlines(&state, in + i, n - i < size ? n - i : size, out + used);
  used += dot_flush(&state, out + used);
  FUZZ_HOLDS(state == DOT_LINE && used <= n);
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    if (in[i] == '\r' && i + 1 < n && in[i + 1] == '\n')
      continue;
    FUZZ_HOLDS(at < used && out[at] == in[i]);
    at++;
  }
  FUZZ_HOLDS(at == used);
}

int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static struct body whole, pieces;
  if (n < 1 || n > INPUT_MAX)
    return 0;
  char const *in = (char const *)data + 1;
  size_t size = data[0] % 64 + 1U;
  decode_whole(in, n - 1, &whole);
  decode_pieces(in, n - 1, size, &pieces);
  FUZZ_HOLDS(whole.ended == pieces.ended && whole.taken == pieces.taken);
  FUZZ_HOLDS(whole.used == pieces.used);
  FUZZ_HOLDS(!memcmp(whole.bytes, pieces.bytes, whole.used));
  check_newlines(in, n - 1, size);
  return 0;
}
