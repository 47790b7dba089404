#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/types.h>

#include "smtpd/transcript.h"

#define UNLIMITED UINT64_MAX
#define LATER_MS 100000000 /* of which a test takes no hundredth */

static char directory[] = "/tmp/trapline-transcript.XXXXXX";
static struct transcript transcript;
static char text[300000];
static size_t used;

static char const *
path(char const *name)
{
  static char out[128];
  snprintf(out, sizeof out, "%s/%s", directory, name);
  return out;
}

/* Into text, with all times made 0. Whether it is there. */
static bool
load(char const *name)
{
  int fd = open(path(name), O_RDONLY);
  ssize_t r = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  used = r < 0 ? 0 : (size_t)r;
  text[used] = 0;
  close(fd);
  return r >= 0;
}

static int
is_there(char const *name)
{
  return access(path(name), F_OK) == 0;
}

static void
start(uint64_t limit)
{
  transcript_start(&transcript, directory, "1.2.3", limit);
}

/* A session of no time at all: its times are those of started_ms, moved. */
static void
stop_clock(void)
{
  transcript.started_ms += 1000000;
  transcript.packet_ms = 0;
}

static void
test_records(void)
{
  static char const bytes[] = "a\\b\r\n\0\t\377~ \x7f";
  static char const wanted[] = "V 0 1\n"
                               "C 0 a\\\\b\\r\\n\\x00\\x09\\xff~ \\x7f\n"
                               "B 0 11\na\\b\r\n\0\t\377~ \x7f\n"
                               "D 0 a\\\\b\\r\\n\\x00\\x09\\xff~ \\x7f\n"
                               "C 0 x\\n\nC 0 \\n\nC 0 y\n";
  start(UNLIMITED);
  transcript_command(&transcript, bytes, sizeof bytes - 1);
  transcript_body(&transcript, bytes, sizeof bytes - 1);
  transcript_body(&transcript, bytes, 0);
  transcript_drop(&transcript, bytes, sizeof bytes - 1);
  transcript_drop(&transcript, bytes, 0);
  transcript_rest(&transcript, "x\n\ny", 4);
  tap_is_bytes(transcript.buffer, transcript.used, wanted, sizeof wanted - 1,
               "every byte");
}

/* Of what the clock says. */
static void
test_times(void)
{
  start(UNLIMITED);
  transcript.started_ms -= LATER_MS;
  transcript_command(&transcript, "a", 1);
  transcript_packet(&transcript, 5);
  transcript.started_ms -= LATER_MS;
  transcript_body(&transcript, "b", 1);
  transcript_reply(&transcript, "250 ok", 6);
  transcript_command(&transcript, "c", 1);
  transcript.started_ms -= LATER_MS;
  transcript_tls(&transcript);
  transcript_keep(&transcript);
  transcript_end(&transcript, "quit");
  load("1.2.3");
  char *packet = strstr(text, "P 100");
  tap_ok(packet != NULL && strstr(text, "C 0 a\n") < packet,
         "a command has the time of its packet, which was none");
  tap_ok(strstr(text, "\nB 100") > packet && strstr(text, "\nS 200") != NULL,
         "a body, too; a reply that of now");
  tap_ok(strstr(text, "\nC 200") > strstr(text, "\nS 200"),
         "none is before the one before it");
  tap_ok(strstr(text, "\nT 300") && strstr(text, "\nE 300"), "the end: now");
  unlink(path("1.2.3"));
}

static void
test_file(void)
{
  struct stat file;
  umask(0);
  start(UNLIMITED);
  transcript_command(&transcript, "a\n", 2);
  transcript_flush(&transcript);
  tap_ok(!is_there(".1.2.3"), "nothing before it is to stay");
  tap_ok(transcript_keep(&transcript), "it is to stay");
  tap_ok(load(".1.2.3") && !is_there("1.2.3"), "then it is there, with a dot");
  tap_is_string(text, "V 0 1\nC 0 a\\n\n", "with what was before");
  tap_ok(stat(path(".1.2.3"), &file) == 0 && (file.st_mode & 07777) == 0600,
         "for nobody else");
  transcript_command(&transcript, "b\n", 2);
  tap_ok(transcript_keep(&transcript), "again");
  load(".1.2.3");
  tap_is_string(text, "V 0 1\nC 0 a\\n\n", "is no write");
  transcript_flush(&transcript);
  load(".1.2.3");
  tap_is_string(text, "V 0 1\nC 0 a\\n\nC 0 b\\n\n", "a flush is one");
  stop_clock();
  transcript_end(&transcript, "eof");
  tap_ok(load("1.2.3") && !is_there(".1.2.3"), "the end: without the dot");
  tap_ok(strstr(text, " eof\n") == text + used - 5, "and E is last");
  unlink(path("1.2.3"));
}

static void
test_not_kept(void)
{
  static char bytes[TRANSCRIPT_BYTES];
  size_t n = sizeof bytes - strlen("V 0 1\nB 0 65000\n\n");
  start(UNLIMITED);
  transcript_body(&transcript, bytes, n - 1);
  tap_ok(transcript.used == sizeof bytes - 1 && !is_there(".1.2.3"),
         "65535 bytes and no message: no file");
  transcript_end(&transcript, "quit");
  tap_ok(!is_there("1.2.3"), "nor at the end");
  start(UNLIMITED);
  transcript_body(&transcript, bytes, n);
  tap_ok(load(".1.2.3") && used == sizeof bytes, "65536: written");
  transcript_body(&transcript, "x", 1);
  transcript_end(&transcript, "quit");
  tap_ok(!is_there("1.2.3") && !is_there(".1.2.3"), "and gone at the end");
  start(UNLIMITED);
  transcript_body(&transcript, bytes, n + 1);
  tap_ok(load(".1.2.3") && used == sizeof bytes, "65537: in large pieces");
  transcript_keep(&transcript);
  transcript_end(&transcript, "quit");
  load("1.2.3");
  tap_ok(used > sizeof bytes && strstr(text + used - 6, "quit\n") != NULL,
         "whole, if there was a message after all");
  unlink(path("1.2.3"));
}

/* What a limit leaves of a command and a body, after "V 0 1\n". */
static void
is_cut(uint64_t more, bool command, char const *wanted)
{
  start(TRANSCRIPT_RESERVE + 6 + more);
  if (command)
    transcript_command(&transcript, "ab\n", 3);
  else
    transcript_body(&transcript, "abcdefgh", 8);
  transcript_command(&transcript, "", 0);
  tap_ok(transcript.used == strlen(wanted) &&
             !memcmp(transcript.buffer, wanted, transcript.used),
         "a limit of %d bytes more, %c", (int)more, command ? 'C' : 'B');
}

static void
test_limit(void)
{
  is_cut(0, true, "V 0 1\nX 0\n");
  is_cut(4, true, "V 0 1\nX 0\n");
  is_cut(5, true, "V 0 1\nC 0 \nX 0\n");
  is_cut(7, true, "V 0 1\nC 0 ab\nX 0\n");
  is_cut(8, true, "V 0 1\nC 0 ab\nX 0\n");
  is_cut(9, true, "V 0 1\nC 0 ab\\n\nX 0\n");
  is_cut(13, true, "V 0 1\nC 0 ab\\n\nX 0\n");
  is_cut(14, true, "V 0 1\nC 0 ab\\n\nC 0 \n");
  size_t room = 3 + UINT64_FMT + 3;
  is_cut(room, false, "V 0 1\nX 0\n");
  is_cut(room + 1, false, "V 0 1\nB 0 1\na\nX 0\n");
  is_cut(room + 7, false, "V 0 1\nB 0 7\nabcdefg\nX 0\n");
  is_cut(room + 8, false, "V 0 1\nB 0 8\nabcdefgh\nC 0 \n");
}

/* Whatever comes, the file is no longer than the limit. */
static void
test_never_longer(void)
{
  size_t longest = 0;
  for (uint64_t limit = 1024; limit < 1124; limit++) {
    start(limit);
    transcript_keep(&transcript);
    for (int i = 0; i < 100; i++) {
      transcript_packet(&transcript, 12345);
      transcript_command(&transcript, "\001\002xyz\r\n", 7);
      transcript_reply(&transcript, "250 2.0.0 Ok", 12);
      transcript_body(&transcript, "0123456789abcdef", 16);
      transcript_tls(&transcript);
    }
    transcript_end(&transcript, "sixteen-letters-");
    tap_ok(load("1.2.3") && used <= limit, "a limit of %d", (int)limit);
    tap_ok(strstr(text, "\nX ") && strstr(text, "\nE "), "X and E are there");
    longest = limit - used > longest ? limit - used : longest;
    unlink(path("1.2.3"));
  }
  tap_ok(longest < 2 * TRANSCRIPT_RESERVE, "and not much shorter");
}

static void
fails(int error, char const *name)
{
  transcript_command(&transcript, "x\n", 2);
  transcript_end(&transcript, "quit");
  tap_is_number(transcript.error, error, name);
  tap_ok(!is_there(".1.2.3") && !is_there("1.2.3"), "nothing is left: %s",
         name);
}

static void
test_failures(void)
{
  struct rlimit limit = {0, RLIM_INFINITY};
  char longest[TRANSCRIPT_PATH_MAX];
  transcript_start(&transcript, "/nonexistent", "1", UNLIMITED);
  tap_ok(!transcript_keep(&transcript), "no directory");
  fails(ENOENT, "no directory");
  start(UNLIMITED);
  tap_ok(symlink("elsewhere", path(".1.2.3")) == 0 &&
             !transcript_keep(&transcript),
         "what is there is not followed");
  tap_is_number(transcript.error, EEXIST, "it is there");
  tap_ok(!is_there("elsewhere") && unlink(path(".1.2.3")) == 0,
         "nor is it removed");
  memset(longest, 'x', sizeof longest);
  longest[sizeof longest - 1] = 0;
  transcript_start(&transcript, longest, "1", UNLIMITED);
  tap_ok(!transcript_keep(&transcript), "a path that is too long");
  fails(ENAMETOOLONG, "a path that is too long");
  signal(SIGXFSZ, SIG_IGN);
  start(UNLIMITED);
  tap_ok(transcript_keep(&transcript) && !setrlimit(RLIMIT_FSIZE, &limit),
         "the disk is full after the first write");
  fails(EFBIG, "the disk is full");
  limit.rlim_cur = RLIM_INFINITY;
  setrlimit(RLIMIT_FSIZE, &limit);
  start(UNLIMITED);
  transcript_keep(&transcript);
  mkdir(path("1.2.3"), 0700);
  transcript_end(&transcript, "quit");
  tap_is_number(transcript.error, EISDIR, "the name is taken");
  tap_ok(!is_there(".1.2.3") && rmdir(path("1.2.3")) == 0, "and nothing left");
}

static void
test_none(void)
{
  transcript_packet(NULL, 1);
  transcript_command(NULL, "x", 1);
  transcript_rest(NULL, "x", 1);
  transcript_reply(NULL, "x", 1);
  transcript_body(NULL, "x", 1);
  transcript_drop(NULL, "x", 1);
  transcript_tls(NULL);
  transcript_flush(NULL);
  transcript_end(NULL, "x");
  tap_ok(!transcript_keep(NULL), "NULL: nothing is done");
}

int
main(void)
{
  if (!mkdtemp(directory))
    return 111;
  test_records();
  test_times();
  test_file();
  test_not_kept();
  test_limit();
  test_never_longer();
  test_failures();
  test_none();
  rmdir(directory);
  return tap_done();
}
