/* sources: deliver/mboxquote.c deliver/mboxreader.c */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "deliver/mboxquote.h"
#include "deliver/mboxreader.h"

#define MOST 100000

/* The messages of the mbox, each with a NUL after it. Returns their bytes; all
 * that came. */
static size_t
read_mbox(int fd, char *out, size_t size, size_t *messages)
{
  static struct mboxreader reader;
  static struct spool spool;
  size_t used = 0;
  reader.fd = fd;
  reader.in_line = reader.has_begun = false;
  reader.from = reader.to = 0;
  *messages = 0;
  FUZZ_HOLDS(lseek(fd, 0, SEEK_SET) == 0);
  spool_begin(&spool, "/dev/shm", UINT64_MAX);
  for (;;) {
    enum mboxreader_result result = mboxreader_next(&reader, &spool);
    FUZZ_HOLDS(result == MBOXREADER_MESSAGE || result == MBOXREADER_END ||
               result == MBOXREADER_NO_MBOX);
    if (result != MBOXREADER_MESSAGE)
      break;
    FUZZ_HOLDS(used + spool.bytes < size);
    if (spool.bytes)
      memcpy(out + used, spool_text(&spool), spool.bytes);
    used += spool.bytes;
    ++*messages;
    spool_clear(&spool);
  }
  spool_clear(&spool);
  return used;
}

/* Two messages, of which the input's bytes are one, come back as they were; and
 * so does anything else without harm. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static char const separator[] = "From a b\n";
  static char quoted[MBOXQUOTE_ROOM(MOST) + MBOXQUOTE_END_MAX];
  static char out[2 * MOST + 8];
  struct mboxquote quote = {0};
  size_t messages;
  if (n > MOST)
    return 0;
  int fd = memfd_create("mbox", 0);
  FUZZ_HOLDS(fd >= 0 && write(fd, data, n) == (ssize_t)n);
  FUZZ_HOLDS(read_mbox(fd, out, sizeof out, &messages) <= n);
  size_t used = mboxquote_piece(&quote, (char const *)data, n, quoted);
  used += mboxquote_end(&quote, quoted + used);
  FUZZ_HOLDS(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
  for (int i = 0; i < 2; i++)
    FUZZ_HOLDS(write(fd, separator, sizeof separator - 1) > 0 &&
               write(fd, quoted, used) == (ssize_t)used);
  size_t whole = n + (n && data[n - 1] != '\n');
  FUZZ_HOLDS(read_mbox(fd, out, sizeof out, &messages) == 2 * whole);
  FUZZ_HOLDS(messages == 2 && !memcmp(out, data, n) &&
             !memcmp(out + whole, data, n));
  close(fd);
  return 0;
}
