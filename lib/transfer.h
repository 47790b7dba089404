/*
 * Content transfer encodings, RFC 2045 section 6. Pure.
 */
#ifndef TRAPLINE_LIB_TRANSFER_H
#define TRAPLINE_LIB_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transfer_encoding {
  TRANSFER_IDENTITY, /* 7bit, 8bit, binary, and what is not known */
  TRANSFER_BASE64,
  TRANSFER_QUOTED_PRINTABLE,
};

/* All zero but the encoding at the start. */
struct transfer {
  enum transfer_encoding encoding;
  uint32_t bits;       /* BASE64: not yet put out; */
  unsigned int digits; /* so many digits of them */
  bool ended;          /* BASE64: there was a "=" */
  char held[4];        /* QUOTED_PRINTABLE: "=" and what followed */
  size_t held_bytes;
  bool carriage_return; /* not yet put out */
};

#define TRANSFER_ROOM(n) ((n) + 5)

/*
 * Decode n bytes into out, which has room for TRANSFER_ROOM(n), and return how
 * many these are. What is no digit of base64 is passed over; "=" and what is no
 * code of quoted-printable stay as they are. Lines that are decoded end in LF
 * where they ended in CRLF.
 */
size_t transfer_decode(struct transfer *transfer, char const *bytes, size_t n,
                       char *out);

/* What is left at the end of the text. */
size_t transfer_end(struct transfer *transfer, char *out);

#endif
