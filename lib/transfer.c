#include "lib/transfer.h"

#include <string.h>

#include "lib/ascii.h"

/* The value of a digit, or -1. */
static int
base64_digit(char c)
{
  static char const digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char const *found = c ? strchr(digits, c) : NULL;
  return found ? (int)(found - digits) : -1;
}

/* One byte of what was decoded; returns how many are put out. */
static size_t
put(struct transfer *transfer, char c, char *out)
{
  size_t used = 0;
  if (transfer->carriage_return && c != '\n')
    out[used++] = '\r';
  transfer->carriage_return = c == '\r';
  if (c != '\r')
    out[used++] = c;
  return used;
}

static size_t
decode_base64(struct transfer *transfer, char c, char *out)
{
  int digit = transfer->ended ? -1 : base64_digit(c);
  transfer->ended |= c == '=';
  if (digit < 0)
    return 0;
  transfer->bits = transfer->bits << 6 | (uint32_t)digit;
  if (++transfer->digits == 1)
    return 0;
  unsigned int left = 8 - 2 * transfer->digits;
  transfer->digits &= 3;
  return put(transfer, (char)(transfer->bits >> left & 0xff), out);
}

/* What was held is no code: as it is. */
static size_t
put_held(struct transfer *transfer, char *out)
{
  size_t used = 0;
  for (size_t i = 0; i < transfer->held_bytes; i++)
    used += put(transfer, transfer->held[i], out + used);
  transfer->held_bytes = 0;
  return used;
}

static size_t
decode_quoted(struct transfer *transfer, char c, char *out)
{
  char *held = transfer->held;
  size_t used = 0;
  if (!transfer->held_bytes && c != '=')
    return put(transfer, c, out);
  if (transfer->held_bytes && c == '=') /* what was held was none */
    used = put_held(transfer, out);
  held[transfer->held_bytes++] = c;
  if (transfer->held_bytes == 1)
    return used;
  if (c == '\n') { /* a line that goes on, perhaps CRLF */
    bool soft = transfer->held_bytes == 2 || held[1] == '\r';
    if (!soft)
      return used + put_held(transfer, out + used);
    transfer->held_bytes = 0;
    return used;
  }
  if (transfer->held_bytes < 3)
    return used;
  int high = ascii_hex(held[1]), low = ascii_hex(held[2]);
  if (high < 0 || low < 0)
    return used + put_held(transfer, out + used);
  transfer->held_bytes = 0;
  return used + put(transfer, (char)(high << 4 | low), out + used);
}

size_t
transfer_decode(struct transfer *transfer, char const *bytes, size_t n,
                char *out)
{
  size_t used = 0;
  switch (transfer->encoding) {
  case TRANSFER_IDENTITY:
    memcpy(out, bytes, n);
    return n;
  case TRANSFER_BASE64:
    for (size_t i = 0; i < n; i++)
      used += decode_base64(transfer, bytes[i], out + used);
    break;
  case TRANSFER_QUOTED_PRINTABLE:
    for (size_t i = 0; i < n; i++)
      used += decode_quoted(transfer, bytes[i], out + used);
    break;
  }
  return used;
}

size_t
transfer_end(struct transfer *transfer, char *out)
{
  size_t used = put_held(transfer, out);
  if (transfer->carriage_return)
    out[used++] = '\r';
  transfer->carriage_return = false;
  return used;
}
