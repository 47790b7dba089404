#include "lib/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tap.h"

#define MOST 400000

static struct spool spool;
static char message[MOST + 1];

/* Add n bytes in pieces of so many. */
static int
fill(size_t n, size_t piece)
{
  spool_clear(&spool);
  for (size_t at = 0; at < n; at += piece)
    if (spool_add(&spool, message + at, n - at < piece ? n - at : piece) == -1)
      return 0;
  return 1;
}

/* Whether what is in it from byte at on is the message of n bytes. */
static int
holds(uint64_t at, size_t n)
{
  char const *bytes;
  size_t got;
  int r;
  while ((r = spool_get(&spool, at, &bytes, &got)) > 0) {
    if (!got || at + got > n || memcmp(bytes, message + at, got) != 0)
      return 0;
    at += got;
  }
  return r == 0 && at == n;
}

static void
test_sizes(void)
{
  static size_t const size[] = {
      0,      1,      SPOOL_BUFFER - 1,     SPOOL_BUFFER,
      65537,  131071, 2 * SPOOL_BUFFER,     131073,
      300000, MOST,   2 * SPOOL_BUFFER + 1, 5};
  for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
    tap_ok(fill(size[i], 1000) && holds(0, size[i]), "%zu bytes", size[i]);
    tap_ok((spool.fd >= 0) == (size[i] > SPOOL_BUFFER), "... in a file or not");
    tap_ok(holds(size[i] / 2, size[i]), "... from the middle on");
    tap_ok(holds(0, size[i]), "... and again from the start");
    tap_ok(fill(size[i], MOST) && holds(0, size[i]), "... in one piece");
  }
}

/* Whether the file holds the message of n bytes. */
static int
file_holds(size_t n)
{
  static char got[MOST + 1];
  int fd = spool_file(&spool);
  size_t have = 0;
  for (ssize_t r; (r = read(fd, got + have, sizeof got - have)) > 0;)
    have += (size_t)r;
  return have == n && memcmp(got, message, n) == 0;
}

static int
text_holds(size_t n)
{
  char const *text = spool_text(&spool);
  return text && memcmp(text, message, n) == 0;
}

static void
test_forms(void)
{
  static size_t const size[] = {
      0, 5, SPOOL_BUFFER, SPOOL_BUFFER + 1, 2 * SPOOL_BUFFER, MOST};
  for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
    size_t n = size[i];
    tap_ok(fill(n, 1000) && text_holds(n), "a text of %zu bytes", n);
    tap_ok((spool.fd >= 0) == (n > SPOOL_BUFFER), "... in a file or not");
    tap_ok(holds(0, n) && text_holds(n), "... in pieces, and as a text again");
    tap_ok(file_holds(n) && file_holds(n), "... as a file, twice");
    tap_ok(holds(n / 2, n) && text_holds(n), "... in pieces, and as a text");
    tap_ok(fill(n, 999) && file_holds(n), "... as a file first");
    tap_ok(holds(0, n) && file_holds(n), "... after it was read back");
  }
}

static void
test_limits(void)
{
  tap_ok(fill(MOST, 7000), "as much as it takes");
  errno = 0;
  tap_ok(spool_add(&spool, "x", 1) == -1 && errno == EFBIG, "... and no more");
  tap_ok(!fill(MOST + 1, MOST + 1) && errno == EFBIG, "too much at once");
  spool_clear(&spool);
  setenv("TMPDIR", "/nonexistent", 1);
  spool_begin(&spool, NULL, MOST);
  tap_ok(fill(SPOOL_BUFFER, 9) && holds(0, SPOOL_BUFFER),
         "no file where none is needed");
  tap_ok(spool_add(&spool, "x", 1) == -1 && errno == ENOENT,
         "no file to be had");
  tap_ok(fill(1, 1) && spool_file(&spool) == -1 && errno == ENOENT,
         "no file for a small one");
  spool_begin(&spool, "/tmp", MOST);
  tap_ok(fill(1, 1) && file_holds(1), "a directory of its own");
}

int
main(void)
{
  for (size_t i = 0; i < sizeof message; i++)
    message[i] = (char)(i * 7 + i / 251);
  spool_begin(&spool, NULL, MOST);
  test_sizes();
  test_forms();
  test_limits();
  return tap_done();
}
