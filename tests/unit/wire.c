/* The connection: alarms while a line comes, and in other waits. */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "smtpd/wire.h"
#include "tests/unit/tap.h"

#define LINE_MAX_BYTES 512

static struct wire wire;
static int client, pool;

static void
begin(void)
{
  int ends[2], alarm[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || pipe(alarm) < 0)
    _exit(111);
  wire_init(&wire, ends[0], ends[0], 20000);
  wire.idle_ms = 20000;
  wire.line_max = LINE_MAX_BYTES;
  wire_watch(&wire, alarm[0]);
  client = ends[1];
  pool = alarm[1];
}

static void
end(void)
{
  wire_close(&wire, false);
  close(client);
  close(pool);
}

static void
send_bytes(char c, size_t n, char const *rest)
{
  char bytes[2 * LINE_MAX_BYTES];
  memset(bytes, c, n);
  strcpy(bytes + n, rest);
  if (write(client, bytes, n + strlen(rest)) < 0)
    _exit(111);
}

static void
is_line(char const *wanted, char const *name)
{
  char *line = NULL;
  size_t n = 0;
  tap_is_number(wire_line(&wire, &line, &n), WIRE_LINE, name);
  tap_is_bytes(line, n, wanted, strlen(wanted), "... as it was sent");
}

/* n bytes of a line, an alarm, then its end. */
static void
test_alarm(size_t n, enum wire_line wanted)
{
  char *line;
  size_t length;
  begin();
  send_bytes('x', n, "");
  if (write(pool, "W", 1) < 0)
    _exit(111);
  tap_is_number(wire_line(&wire, &line, &length), WIRE_LINE_ALARM,
                "an alarm in a line");
  send_bytes('y', 1, "\r\nNOOP\r\n");
  tap_is_number(wire_line(&wire, &line, &length), WIRE_LINE_ALARM,
                "... again until it is heard");
  wire.alarmed = false;
  tap_is_number(wire_line(&wire, &line, &length), wanted,
                "... does not change what it is");
  is_line("NOOP", "... nor the next one");
  end();
}

static void
test_ready(void)
{
  begin();
  tap_is_number(wire_ready(&wire, 0), false, "nothing has come");
  send_bytes('x', 1, "");
  tap_is_number(wire_ready(&wire, 20000), true, "something has");
  end();
  begin();
  send_bytes('x', 1, "");
  if (write(pool, "W", 1) < 0)
    _exit(111);
  tap_is_number(wire_ready(&wire, 20000), false, "something, and an alarm");
  end();
}

static void
ignore(int number)
{
  (void)number;
}

static void
ring_often(int microseconds)
{
  struct itimerval often = {{0, microseconds}, {0, microseconds}};
  setitimer(ITIMER_REAL, &often, NULL);
}

/* The wait goes on after a signal, to its end. */
static void
test_signals(void)
{
  struct sigaction action = {.sa_handler = ignore};
  sigaction(SIGALRM, &action, NULL);
  begin();
  ring_often(5000);
  tap_is_number(wire_ready(&wire, 100), false, "signals, and nothing else");
  pid_t pid = fork();
  if (pid == 0) {
    usleep(100000);
    send_bytes('x', 1, "");
    _exit(0);
  }
  tap_is_number(wire_ready(&wire, 20000), true, "signals, and then input");
  ring_often(0);
  waitpid(pid, NULL, 0);
  end();
}

/* A client that takes nothing: the alarm is heard meanwhile. */
static void
test_flush(void)
{
  begin();
  wire.idle_ms = 100;
  if (write(pool, "W", 1) < 0)
    _exit(111);
  while (wire.status == WIRE_OPEN)
    wire_say(&wire, "250 2.1.0 Ok");
  tap_is_number(wire.status, WIRE_IDLE, "a client that takes nothing");
  tap_is_number(wire.alarmed, true, "... and an alarm");
  end();
}

static void
test_lengths(void)
{
  char *line;
  size_t n;
  begin();
  send_bytes('x', LINE_MAX_BYTES - 2, "\r\n");
  tap_is_number(wire_line(&wire, &line, &n), WIRE_LINE, "the longest line");
  tap_is_number((long long)n, LINE_MAX_BYTES - 2, "... is whole");
  send_bytes('x', LINE_MAX_BYTES - 1, "\r\n");
  tap_is_number(wire_line(&wire, &line, &n), WIRE_LINE_TOO_LONG, "a longer");
  send_bytes('x', 1, "\n");
  is_line("x", "a short one after it");
  end();
}

int
main(void)
{
  test_lengths();
  test_ready();
  test_signals();
  test_flush();
  test_alarm(LINE_MAX_BYTES - 3, WIRE_LINE);
  test_alarm(LINE_MAX_BYTES + 1, WIRE_LINE_TOO_LONG);
  return tap_done();
}
