#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "smtpd/dot.h"

#define BYTES(literal) literal, sizeof literal - 1
#define INPUT_MAX 64
#define TOKENS_MAX 6

/* What stands in a body, and what is to become of it. */
struct body {
  char bytes[INPUT_MAX];
  size_t used;
  size_t taken; /* DATA: bytes up to the end, or all */
  int ended;
};

static char const *
show(char const *bytes, size_t n)
{
  static char text[INPUT_MAX * 4 + 1];
  size_t used = 0;
  for (size_t i = 0; i < n; i++)
    if (bytes[i] > 0x20 && bytes[i] < 0x7f && bytes[i] != '#')
      text[used++] = bytes[i];
    else
      used += (size_t)sprintf(text + used, "\\%02x", (unsigned char)bytes[i]);
  text[used] = 0;
  return text;
}

/* RFC 5321 section 4.5.2 by looking at the whole: lines end in CRLF only; the
 * line "." ends; of others a first dot goes. What is behind the last CRLF is
 * a line that has not ended, so its last bytes may be held back. */
static void
decode_whole(char const *in, size_t n, struct body *body)
{
  size_t start = 0;
  body->used = 0;
  body->ended = 0;
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
  body->taken = n;
}

/* Feed in[from..to-1]; room for out is exactly what the contract asks for. */
static size_t
feed(enum dot_state *state, char const *in, size_t n, char *out)
{
  char space[INPUT_MAX + DOT_HELD_MAX + 1];
  size_t made;
  memset(space, '#', sizeof space);
  size_t taken = dot_decode(state, in, n, space, &made);
  if (made > n + DOT_HELD_MAX || space[n + DOT_HELD_MAX] != '#')
    printf("# wrote past its room: %zu of %zu bytes\n", made, n);
  memcpy(out, space, made);
  out[made] = '#';
  return taken;
}

/* Decode in pieces that end at two places. */
static void
decode_pieces(char const *in, size_t n, size_t one, size_t two,
              struct body *body)
{
  size_t const stops[] = {one, two, n};
  enum dot_state state = DOT_LINE_START;
  char out[INPUT_MAX + 2];
  body->used = 0;
  body->taken = 0;
  for (size_t i = 0; i < 3 && state != DOT_END; i++) {
    size_t size = stops[i] - body->taken;
    size_t taken = feed(&state, in + body->taken, size, out);
    size_t made = (size_t)((char *)memchr(out, '#', sizeof out) - out);
    memcpy(body->bytes + body->used, out, made);
    body->used += made;
    body->taken += taken;
    if (state != DOT_END && taken != size)
      printf("# took %zu of %zu bytes\n", taken, size);
  }
  body->ended = state == DOT_END;
}

static int
same(struct body const *a, struct body const *b)
{
  return a->used == b->used && !memcmp(a->bytes, b->bytes, a->used) &&
         a->taken == b->taken && a->ended == b->ended;
}

/* Whether every split into three pieces gives what the whole gives. */
static int
splits_agree(char const *in, size_t n)
{
  struct body whole, pieces;
  decode_whole(in, n, &whole);
  for (size_t one = 0; one <= n; one++)
    for (size_t two = one; two <= n; two++) {
      decode_pieces(in, n, one, two, &pieces);
      if (same(&whole, &pieces))
        continue;
      printf("# %s", show(in, n));
      printf(" split at %zu, %zu: %s", one, two,
             show(pieces.bytes, pieces.used));
      printf(", wanted %s\n", show(whole.bytes, whole.used));
      return 0;
    }
  return 1;
}

/* All bodies of up to TOKENS_MAX of the bytes that matter, at every split. */
static void
test_every_short_body(void)
{
  static char const tokens[] = "\r\n.x";
  size_t count = 1;
  int agree = 1;
  for (size_t length = 0; length <= TOKENS_MAX; length++, count *= 4)
    for (size_t number = 0; number < count; number++) {
      char in[TOKENS_MAX + 1];
      size_t rest = number;
      for (size_t i = 0; i < length; i++, rest /= 4)
        in[i] = tokens[rest % 4];
      agree &= splits_agree(in, length);
    }
  tap_ok(agree, "all bodies of up to %d bytes of CR LF . x, at every split",
         TOKENS_MAX);
}

static void
test_data(void)
{
  static struct {
    char const *in;
    size_t n;
    char const *out;
    size_t made;
    size_t taken;
    int ended;
  } const cases[] = {
      {BYTES(".\r\n"), BYTES(""), 3, 1},
      {BYTES(".\r\nQUIT\r\n"), BYTES(""), 3, 1},
      {BYTES("a\r\n.\r\n"), BYTES("a\n"), 6, 1},
      {BYTES("a\r\n..\r\n.\r\n"), BYTES("a\n.\n"), 10, 1},
      {BYTES("a\r\n.b\r\n.\r\n"), BYTES("a\nb\n"), 10, 1},
      {BYTES("a\r\n...\r\n.\r\n"), BYTES("a\n..\n"), 11, 1},
      {BYTES("\n.\n"), BYTES("\n.\n"), 3, 0},
      {BYTES("\r.\rx"), BYTES("\r.\rx"), 4, 0},
      {BYTES("\n.\r\nx"), BYTES("\n.\nx"), 5, 0},
      {BYTES("\r\n.\nx"), BYTES("\n\nx"), 5, 0},
      {BYTES("\r\n.\rx"), BYTES("\n\rx"), 5, 0},
      {BYTES("\r\n.\r\r\nx"), BYTES("\n\r\nx"), 7, 0},
      {BYTES("\r\r\n.\r\n"), BYTES("\r\n"), 6, 1},
      {BYTES("\r.\r\nx"), BYTES("\r.\nx"), 5, 0},
      {BYTES("\n\r\n.\r\n"), BYTES("\n\n"), 6, 1},
      {BYTES("a\0b\r\n\0.\r\n.\r\n"), BYTES("a\0b\n\0.\n"), 12, 1},
      {BYTES("\xff\r\n.\xff\r\n.\r\n"), BYTES("\xff\n\xff\n"), 10, 1},
      {BYTES("\r\n.\0\r\n"), BYTES("\n\0\n"), 6, 0},
      {BYTES("abc"), BYTES("abc"), 3, 0},
      {BYTES("abc\r"), BYTES("abc"), 4, 0},
      {BYTES(""), BYTES(""), 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct body body;
    decode_pieces(cases[i].in, cases[i].n, cases[i].n, cases[i].n, &body);
    tap_is_bytes(body.bytes, body.used, cases[i].out, cases[i].made, "DATA");
    tap_ok(body.taken == cases[i].taken && body.ended == cases[i].ended,
           "... and its end: %s", show(cases[i].in, cases[i].n));
    tap_ok(splits_agree(cases[i].in, cases[i].n), "... at every split");
  }
}

/* A body of BDAT in two pieces. */
static size_t
newlines(char const *in, size_t n, size_t split, char *out)
{
  enum dot_state state = DOT_LINE;
  size_t made = dot_newlines(&state, in, split, out);
  made += dot_newlines(&state, in + split, n - split, out + made);
  made += dot_flush(&state, out + made);
  made += dot_flush(&state, out + made); /* holds nothing any more */
  return made;
}

static void
test_bdat(void)
{
  static struct {
    char const *in;
    size_t n;
    char const *out;
    size_t made;
  } const cases[] = {
      {BYTES(""), BYTES("")},
      {BYTES("\r"), BYTES("\r")},
      {BYTES("\n"), BYTES("\n")},
      {BYTES("\r\n"), BYTES("\n")},
      {BYTES("a\r\n.\r\n..\r\n"), BYTES("a\n.\n..\n")},
      {BYTES("\r\r\n\n\r"), BYTES("\r\n\n\r")},
      {BYTES("\r\r\r"), BYTES("\r\r\r")},
      {BYTES("a\rb\nc\0d"), BYTES("a\rb\nc\0d")},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t split = 0; split <= cases[i].n; split++) {
      char out[INPUT_MAX];
      size_t made = newlines(cases[i].in, cases[i].n, split, out);
      tap_is_bytes(out, made, cases[i].out, cases[i].made, "BDAT");
    }
}

/* Whether it is the same where output and input are in one place. */
static int
is_same_in_place(char const *in, size_t n, char const *wanted)
{
  char space[DOT_AHEAD + INPUT_MAX];
  char *ahead = space + DOT_AHEAD;
  enum dot_state state = DOT_LINE_START;
  size_t made;
  memcpy(ahead, in, n);
  dot_decode(&state, ahead, n, space, &made);
  int is_same = made == n - 1 && memcmp(space, wanted, made) == 0;
  state = DOT_LINE;
  memcpy(ahead, in, n);
  made = dot_newlines(&state, ahead, n, space);
  return is_same && made == n - 1 && memcmp(space, wanted, made) == 0;
}

/* A CRLF at every place of what is longer than a block that is copied at once,
 * among bytes that differ from a CR in one bit. */
static void
test_places(void)
{
  static char const near[] = "\x8d\f\0";
  int wrong = 0;
  for (size_t n = 2; n < INPUT_MAX - 2; n++)
    for (size_t at = 0; at + 2 <= n; at++) {
      char in[INPUT_MAX], wanted[INPUT_MAX], out[INPUT_MAX];
      for (size_t i = 0; i < n; i++)
        in[i] = wanted[i] = near[i % sizeof near];
      memcpy(in + at, "\r\n", 2);
      wanted[at] = '\n';
      memcpy(wanted + at + 1, in + at + 2, n - at - 2);
      wrong += newlines(in, n, at, out) != n - 1 || memcmp(out, wanted, n - 1);
      enum dot_state state = DOT_LINE_START;
      memset(out, 0, sizeof out);
      feed(&state, in, n, out);
      wrong += memcmp(out, wanted, n - 1) != 0 || out[n - 1] != '#';
      wrong += !is_same_in_place(in, n, wanted);
    }
  tap_is_number(wrong, 0, "a CRLF is seen at every place of a long line");
}

static void
test_end_stays(void)
{
  enum dot_state state = DOT_LINE_START;
  char out[INPUT_MAX];
  size_t made = 99;
  dot_decode(&state, ".\r\n", 3, out, &made);
  size_t taken = dot_decode(&state, "x\r\n", 3, out, &made);
  tap_ok(state == DOT_END && !taken && !made, "nothing is taken after the end");
}

int
main(void)
{
  test_data();
  test_every_short_body();
  test_bdat();
  test_places();
  test_end_stays();
  return tap_done();
}
