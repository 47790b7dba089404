#include "smtpd/evidencelist.h"

#include <inttypes.h>
#include <stdio.h>

#include "smtpd/evidencebody.h"

void
evidencelist_put(char const *bytes, size_t n)
{
  char text[4 * 256];
  while (n) {
    size_t some = n < 256 ? n : 256;
    size_t length = evidence_escape(bytes, some, text);
    fwrite(text, 1, length, stdout);
    bytes += some;
    n -= some;
  }
}

/* What stands before a record's text. */
static void
put_kind(struct evidence_piece const *piece)
{
  printf("%7" PRIu64 ".%03u ", piece->ms / 1000,
         (unsigned int)(piece->ms % 1000));
  switch (piece->kind) {
  case 'V':
    printf("  transcript, version %" PRIu64, piece->number);
    break;
  case 'P':
    printf("  packet of %" PRIu64, piece->number);
    break;
  case 'C':
    fputs("> ", stdout);
    break;
  case 'S':
    fputs("< ", stdout);
    break;
  case 'D':
    fputs("  dropped: ", stdout);
    break;
  case 'T':
    fputs("  TLS", stdout);
    break;
  case 'X':
    fputs("  cut, for the transcript was full", stdout);
    break;
  case 'E':
    fputs("  end: ", stdout);
  }
}

static void
put_piece(struct evidence_piece const *piece, uint64_t message)
{
  if (piece->first)
    put_kind(piece);
  if (piece->kind != 'B')
    evidencelist_put(piece->bytes, piece->n);
  else if (piece->first)
    printf("> %" PRIu64 " bytes of message %" PRIu64, piece->number, message);
  if (piece->last)
    putchar('\n');
}

enum evidencefile_result
evidencelist_all(struct evidencefile *file)
{
  struct evidencebody body = {0};
  struct evidence_piece piece;
  enum evidencefile_result result;
  bool in_record = false;
  while ((result = evidencefile_next(file, &piece)) == EVIDENCEFILE_PIECE) {
    put_piece(&piece, evidencebody_see(&body, &piece));
    in_record = !piece.last;
  }
  if (in_record)
    puts(" ...");
  return result;
}

enum evidencefile_result
evidencelist_message(struct evidencefile *file, uint64_t number, bool *found,
                     bool *is_cut)
{
  struct evidencebody body = {0};
  struct evidence_piece piece = {0};
  enum evidencefile_result result;
  bool is_whole = false; /* the transcript */
  bool in_body = false;
  while (body.messages <= number &&
         (result = evidencefile_next(file, &piece)) == EVIDENCEFILE_PIECE) {
    if (evidencebody_see(&body, &piece) == number)
      fwrite(piece.bytes, 1, piece.n, stdout);
    if (piece.kind == 'X')
      break;
    is_whole = piece.kind == 'E';
    if (piece.kind != 'P')
      in_body = piece.kind == 'B' || body.in_chunks;
  }
  *found = body.messages >= number;
  *is_cut = body.messages == number && !is_whole && in_body;
  return body.messages > number || piece.kind == 'X' ? EVIDENCEFILE_END
                                                     : result;
}
