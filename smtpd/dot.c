#include "smtpd/dot.h"

#include <stdint.h>
#include <string.h>

union block {
  unsigned char bytes __attribute__((vector_size(16)));
  uint64_t half[2];
};

/* Which byte of it, in memory, is the first that is not 0; one is. */
static size_t
first_mark(uint64_t marks)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return (size_t)__builtin_ctzll(marks) / 8;
#else
  return (size_t)__builtin_clzll(marks) / 8;
#endif
}

/* Copy up to the next CR; out has room for all n. Returns the bytes copied.
 * Lines are short: memchr and memcpy for each cost more than twice as much. */
static size_t
copy_run(char const *in, size_t n, char *out)
{
  size_t run = 0;
  union block block, is_cr;
  for (; n - run >= sizeof block; run += sizeof block) {
    memcpy(&block, in + run, sizeof block);
    memcpy(out + run, &block, sizeof block);
    is_cr.bytes = (__typeof__(is_cr.bytes))(block.bytes == '\r');
    if (is_cr.half[0])
      return run + first_mark(is_cr.half[0]);
    if (is_cr.half[1])
      return run + 8 + first_mark(is_cr.half[1]);
  }
  for (; run < n && in[run] != '\r'; run++)
    out[run] = in[run];
  return run;
}

/* One byte of DATA where copy_run does not apply. Returns the bytes made. */
static size_t
step(enum dot_state *state, char c, char *out)
{
  size_t made = 0;
  switch (*state) {
  case DOT_LINE_START:
    if (c == '.') {
      *state = DOT_DOT;
      return 0;
    }
    break;
  case DOT_DOT:
    if (c == '\r') {
      *state = DOT_DOT_CR;
      return 0;
    }
    break;
  case DOT_DOT_CR:
    if (c == '\n') {
      *state = DOT_END;
      return 0;
    }
    out[made++] = '\r';
    break;
  case DOT_CR:
    if (c == '\n') {
      *state = DOT_LINE_START;
      out[made++] = '\n';
      return made;
    }
    out[made++] = '\r';
    break;
  case DOT_LINE:
  case DOT_END:
    break;
  }
  if (c == '\r') {
    *state = DOT_CR;
    return made;
  }
  *state = DOT_LINE;
  out[made++] = c;
  return made;
}

size_t
dot_decode(enum dot_state *state, char const *in, size_t n, char *out,
           size_t *made)
{
  size_t taken = 0;
  size_t used = 0;
  while (taken < n && *state != DOT_END) {
    if (*state == DOT_LINE) {
      size_t run = copy_run(in + taken, n - taken, out + used);
      taken += run;
      used += run;
      if (taken == n)
        break;
    }
    used += step(state, in[taken++], out + used);
  }
  *made = used;
  return taken;
}

size_t
dot_newlines(enum dot_state *state, char const *in, size_t n, char *out)
{
  size_t used = 0;
  for (size_t taken = 0; taken < n;) {
    if (*state != DOT_CR) {
      size_t run = copy_run(in + taken, n - taken, out + used);
      taken += run;
      used += run;
      if (taken == n)
        break;
      taken++;
      *state = DOT_CR;
      continue;
    }
    if (in[taken] == '\n')
      taken++, out[used++] = '\n';
    else
      out[used++] = '\r';
    *state = DOT_LINE;
  }
  return used;
}

size_t
dot_flush(enum dot_state *state, char *out)
{
  size_t made = *state == DOT_CR;
  if (made)
    out[0] = '\r';
  *state = DOT_LINE;
  return made;
}
