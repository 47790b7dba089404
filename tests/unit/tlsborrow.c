/* A borrower's side of the service's socket, against a service that says what
 * it should not. */
#include "lib/tlsborrow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fdpass.h"
#include "lib/unixsocket.h"
#include "tests/unit/tap.h"

static char folder[] = "/tmp/trapline-tls.XXXXXX";
static char path[sizeof folder + 8];
static int listener;

static int
accept_borrower(void)
{
  struct pollfd poller = {listener, POLLIN, 0};
  poll(&poller, 1, 20000);
  return accept(listener, NULL, NULL);
}

/* A process that is ready, takes a client, and says this. */
static void
serve(char byte, int descriptors, char const *text)
{
  int const ends[2] = {0, 1};
  int fds[FDPASS_MAX];
  size_t n;
  char heard = 0;
  struct pollfd poller = {-1, POLLIN, 0};
  if (fork())
    return;
  int fd = accept_borrower();
  fdpass_send(fd, TLS_READY, NULL, 0);
  poller.fd = fd;
  poll(&poller, 1, 20000);
  fdpass_receive(fd, &heard, fds, &n);
  if (byte)
    fdpass_send(fd, byte, ends, (size_t)descriptors);
  signal(SIGPIPE, SIG_IGN); /* the borrower may have heard enough */
  if (write(fd, text, strlen(text)) < 0 && errno != EPIPE)
    _exit(2);
  _exit(heard != TLS_CLIENT || n != 1);
}

static void
test_handshake(char byte, int descriptors, char const *says, int opens,
               char const *wanted)
{
  char text[TLS_TEXT_MAX + 1];
  int status = 0;
  serve(byte, descriptors, says);
  int service = tlsborrow_connect(path);
  tap_ok(service >= 0, "ready");
  int fd = tlsborrow_handshake(service, 0, text);
  tap_is_number(fd >= 0, opens, "... opens or fails");
  tap_is_string(text, wanted, "... and says");
  wait(&status);
  tap_is_number(status, 0, "... the client was handed over");
  if (fd >= 0)
    close(fd);
}

static void
test_connect(char byte, int error)
{
  if (!fork()) {
    int fd = accept_borrower();
    if (byte)
      fdpass_send(fd, byte, NULL, 0);
    _exit(0);
  }
  errno = 0;
  tap_is_number(tlsborrow_connect(path), -1, "not ready");
  tap_is_number(errno, error, "... errno says why");
  wait(NULL);
}

static void
test_facts(void)
{
  char text[] = "tls.version=TLSv1.3\ntls.sni=a=b\nnone\n";
  char *at = text, *key, *value;
  tap_is_number(tlsborrow_fact(&at, &key, &value), 1, "a fact");
  tap_is_string(key, "tls.version", "... its key");
  tap_is_string(value, "TLSv1.3", "... its value");
  tap_is_number(tlsborrow_fact(&at, &key, &value), 1, "another");
  tap_is_string(value, "a=b", "... its value");
  tap_is_number(tlsborrow_fact(&at, &key, &value), 0, "a line that is none");
  tap_is_number(tlsborrow_fact(&at, &key, &value), 0, "no more");
}

int
main(void)
{
  char long_path[200], long_text[TLS_TEXT_MAX + 100];
  if (!mkdtemp(folder))
    return 111;
  strcat(strcpy(path, folder), "/tls");
  tap_is_number(tlsborrow_connect(path), -1, "no socket");
  tap_is_number(errno, ENOENT, "... is ENOENT");
  memset(long_path, 'x', sizeof long_path - 1);
  long_path[sizeof long_path - 1] = 0;
  tap_is_number(tlsborrow_connect(long_path), -1, "a path too long");
  tap_is_number(errno, ENAMETOOLONG, "... is ENAMETOOLONG");
  listener = unixsocket_listen(path);
  test_connect(TLS_REFUSED, EBUSY);
  test_connect(0, ECONNRESET);
  test_handshake(TLS_OPEN, 1, "a=b\n", 1, "a=b\n");
  test_handshake(TLS_FAILED, 0, "no shared cipher", 0, "no shared cipher");
  test_handshake(TLS_FAILED, 1, "why", 0, "why");
  test_handshake(TLS_OPEN, 0, "a=b\n", 0, "the TLS service broke off");
  test_handshake(TLS_OPEN, 2, "a=b\n", 0, "the TLS service broke off");
  test_handshake('?', 1, "", 0, "the TLS service broke off");
  test_handshake(0, 0, "", 0, "the TLS service broke off");
  memset(long_text, 'x', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = 0;
  char cut[TLS_TEXT_MAX + 1] = "";
  memset(cut, 'x', TLS_TEXT_MAX);
  test_handshake(TLS_FAILED, 0, long_text, 0, cut);
  test_facts();
  unlink(path);
  rmdir(folder);
  return tap_done();
}
