#include "smtpd/evidencefile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* 1, 0 at the end, -1 on error. */
static int
fill(struct evidencefile *file)
{
  ssize_t n;
  do
    n = pread(file->fd, file->buffer, sizeof file->buffer, (off_t)file->offset);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    return (int)n;
  file->from = 0;
  file->to = (size_t)n;
  file->offset += (uint64_t)n;
  return 1;
}

enum evidencefile_result
evidencefile_next(struct evidencefile *file, struct evidence_piece *piece)
{
  for (;;) {
    size_t taken;
    if (file->from == file->to) {
      int filled = fill(file);
      if (filled <= 0)
        return filled ? EVIDENCEFILE_ERROR : EVIDENCEFILE_END;
    }
    enum evidence_result result =
        evidence_next(&file->reader, file->buffer + file->from,
                      file->to - file->from, &taken, piece);
    file->from += taken;
    if (result == EVIDENCE_PIECE)
      return EVIDENCEFILE_PIECE;
    if (result == EVIDENCE_BAD)
      return EVIDENCEFILE_BAD;
  }
}

enum evidencefile_result
evidencefile_peek(struct evidencefile *file, char *kind)
{
  struct evidence_piece *kept = &file->kept;
  while (!kept->n) {
    enum evidencefile_result result = evidencefile_next(file, kept);
    if (result != EVIDENCEFILE_PIECE) {
      kept->n = 0;
      return result;
    }
    if (kept->kind != 'C' && kept->kind != 'B' && kept->kind != 'D')
      kept->n = 0;
  }
  *kind = kept->kind;
  return EVIDENCEFILE_PIECE;
}

enum evidencefile_result
evidencefile_bytes(struct evidencefile *file, char *out, size_t size, size_t *n)
{
  struct evidence_piece *kept = &file->kept;
  enum evidencefile_result result;
  char kind;
  *n = 0;
  while (*n < size &&
         (result = evidencefile_peek(file, &kind)) == EVIDENCEFILE_PIECE) {
    size_t some = kept->n < size - *n ? kept->n : size - *n;
    memcpy(out + *n, kept->bytes, some);
    *n += some;
    kept->bytes += some;
    kept->n -= some;
  }
  return *n ? EVIDENCEFILE_PIECE : result;
}
