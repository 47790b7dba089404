#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/stream.h"
#include "tests/unit/child.h"

/* Copy counted bytes, in pieces of at most ten thousand. */
static enum stream_result
copy_pieces(uint64_t left)
{
  while (left) {
    char const *bytes;
    size_t n;
    enum stream_result result =
        stream_piece(left > 10000 ? 10000 : left, &bytes, &n);
    if (result)
      return result;
    stream_put(bytes, n);
    left -= n;
  }
  return STREAM_OK;
}

/* Copy lines to descriptor 1; a line that is a number is followed by so many
 * bytes, which are copied in pieces, or if there is data, passed. Returns the
 * result that ended it. */
static int
copy(void const *data)
{
  char line[STREAM_LINE_MAX];
  size_t n;
  enum stream_result result = STREAM_OK;
  while (!result && !(result = stream_line(line, &n))) {
    char digits[20] = "";
    memcpy(digits, line, n < 19 ? n : 19);
    stream_put_line(line, n);
    uint64_t count = strtoull(digits, NULL, 10);
    result = data ? stream_pass(count) : copy_pieces(count);
  }
  if (result != STREAM_WRITE_ERROR)
    stream_flush();
  return result == STREAM_END ? 100 : (int)result;
}

/* The same through two pipes: copy() passes by splice(2). Returns its exit
 * code; what came out is in got, *kept bytes. */
static int
copy_in_pipes(char const *bytes, size_t n, char *got, size_t *kept)
{
  int in[2], out[2], status;
  if (pipe(in) < 0 || pipe(out) < 0)
    abort();
  fflush(stdout);
  pid_t writer = fork();
  if (!writer) {
    close(in[0]);
    _exit(write(in[1], bytes, n) != (ssize_t)n);
  }
  pid_t copier = fork();
  if (!copier) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    close(in[1]);
    close(out[0]);
    _exit(copy("pass"));
  }
  close(in[0]);
  close(in[1]);
  close(out[1]);
  *kept = 0;
  for (ssize_t r; (r = read(out[0], got + *kept, CHILD_TEXT_MAX - *kept)) > 0;)
    *kept += (size_t)r;
  close(out[0]);
  waitpid(writer, NULL, 0);
  waitpid(copier, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
copies(char const *name, char const *bytes, size_t n, int code, size_t kept)
{
  static char got[CHILD_TEXT_MAX];
  size_t got_bytes;
  struct child const *child = child_run(copy, NULL, bytes, n);
  tap_is_number(child->code, code, name);
  tap_is_bytes(child->output, child->output_bytes, bytes, kept,
               "... and what was whole came out");
  child = child_run(copy, "pass", bytes, n);
  tap_is_number(child->code, code, "... the same passed from file to file");
  tap_is_bytes(child->output, child->output_bytes, bytes, kept,
               "... and what was whole came out");
  tap_is_number(copy_in_pipes(bytes, n, got, &got_bytes), code,
                "... the same passed from pipe to pipe");
  tap_is_bytes(got, got_bytes, bytes, kept, "... and what was whole came out");
}

static void
test_ends(void)
{
  copies("nothing", "", 0, 100, 0);
  copies("lines", "a\n\nb\0c\n", 7, 100, 7);
  copies("an end in a line", "a\nbc", 4, STREAM_TRUNCATED, 2);
  copies("counted bytes", "3\n\n\n\nx\n", 7, 100, 7);
  copies("an end in them", "3\nab", 4, STREAM_TRUNCATED, 4);
  copies("an end before them", "3\n", 2, STREAM_TRUNCATED, 2);
}

static void
test_line_limit(void)
{
  static char bytes[2 * STREAM_LINE_MAX];
  for (size_t n = STREAM_LINE_MAX - 1; n <= STREAM_LINE_MAX + 1; n++) {
    memset(bytes, 'x', sizeof bytes);
    bytes[n - 1] = '\n';
    if (n > STREAM_LINE_MAX)
      copies("a line too long", bytes, n, STREAM_TOO_LONG, 0);
    else
      copies("a line of the longest length or one less", bytes, n, 100, n);
  }
  memset(bytes, 'x', sizeof bytes);
  copies("a line without end", bytes, sizeof bytes, STREAM_TOO_LONG, 0);
}

/* More than the buffer holds, so that lines and pieces lie across its end. */
static void
test_long_input(void)
{
  static char bytes[300000];
  size_t used = 0;
  for (unsigned int i = 1; used < sizeof bytes - 40000; i++) {
    unsigned int count = i * 2347 % 30011;
    used += (size_t)sprintf(bytes + used, "%u\n", count);
    for (unsigned int k = 0; k < count; k++)
      bytes[used++] = (char)(k * i);
    memset(bytes + used, 'l', i * 997 % 8000);
    used += i * 997 % 8000;
    bytes[used++] = '\n';
  }
  copies("long input", bytes, used, 100, used);
}

static int
put(void const *data)
{
  (void)data;
  stream_put_chunk(0, false);
  stream_put_chunk(UINT64_MAX, true);
  stream_put_note("key", "a b\n=+");
  stream_put_note("empty", "");
  stream_put_line("", 0);
  return (int)stream_flush();
}

static void
test_put(void)
{
  struct child const *child = child_run(put, NULL, "", 0);
  tap_is_string(child->output,
                "BDAT 0\nBDAT 18446744073709551615 LAST\n"
                "XNOTE key=a+20b+0A+3D+2B\nXNOTE empty=\n\n",
                "what is put");
  tap_is_number(child->code, STREAM_OK, "... is written");
}

static int
fail_to_pass(void const *data)
{
  char line[STREAM_LINE_MAX];
  size_t n;
  (void)data;
  signal(SIGPIPE, SIG_IGN);
  if (stream_line(line, &n) != STREAM_OK)
    return 1;
  return stream_pass(20000) == STREAM_WRITE_ERROR && errno == EPIPE ? 0 : 2;
}

/* Both ends in turn; errno is the exit code if the result is the right one. */
static int
fail_to_write(void const *data)
{
  char line[STREAM_LINE_MAX];
  size_t n;
  (void)data;
  signal(SIGPIPE, SIG_IGN);
  stream_put_line("x", 1);
  if (stream_line(line, &n) != STREAM_WRITE_ERROR || errno != EPIPE)
    return 1;
  errno = 0;
  stream_put(line, sizeof line);
  return stream_flush() == STREAM_WRITE_ERROR && errno == EPIPE ? 0 : 2;
}

static int
fail_to_read(void const *data)
{
  char line[STREAM_LINE_MAX];
  size_t n;
  (void)data;
  return stream_line(line, &n) == STREAM_READ_ERROR && errno == EISDIR ? 0 : 1;
}

static void
test_errors(void)
{
  int ends[2];
  int directory = open("/", O_RDONLY | O_DIRECTORY);
  if (directory < 0 || pipe(ends) < 0)
    abort();
  close(ends[0]);
  int const fds[3] = {directory, ends[1], 2};
  tap_is_number(child_run_on(fail_to_write, NULL, fds), 0,
                "a write error comes back from the next read, and stays");
  tap_is_number(child_run_on(fail_to_read, NULL, fds), 0, "a read error");
  static char bytes[20000] = "x\n";
  int in[2];
  if (pipe(in) < 0 || write(in[1], bytes, sizeof bytes) != sizeof bytes)
    abort();
  int const passing[3] = {in[0], ends[1], 2};
  tap_is_number(child_run_on(fail_to_pass, NULL, passing), 0,
                "a write error while bytes are passed on");
  close(in[0]);
  close(in[1]);
  close(ends[1]);
  close(directory);
}

/* Holds bytes of the pipe on descriptor 0. */
static void
holds(int bytes, char const *name)
{
  tap_is_number(fcntl(0, F_GETPIPE_SZ), bytes, name);
}

static void
test_widen(void)
{
  int ends[2];
  int input = dup(0);
  if (pipe(ends) < 0 || dup2(ends[0], 0) < 0 ||
      fcntl(0, F_SETPIPE_SZ, 32768) < 0)
    abort();
  stream_widen(65536);
  holds(32768, "a chunk that is not large widens nothing");
  stream_widen(65537);
  holds(STREAM_WIDE_BYTES, "a large one does");
  stream_widen(1000000);
  holds(STREAM_WIDE_BYTES, "... and the next one keeps it so");
  stream_end_body();
  holds(32768, "the end of the body undoes it");
  fcntl(0, F_SETPIPE_SZ, 2 * STREAM_WIDE_BYTES);
  stream_widen(65537);
  stream_end_body();
  holds(2 * STREAM_WIDE_BYTES, "what is wider is left alone");
  dup2(input, 0);
  close(input);
  close(ends[0]);
  close(ends[1]);
}

int
main(void)
{
  test_widen();
  test_ends();
  test_line_limit();
  test_long_input();
  test_put();
  test_errors();
  return tap_done();
}
