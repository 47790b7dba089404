/* Descriptors over a socket: they work, are close-on-exec, and never too many.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdpass.h"
#include "tests/unit/tap.h"

static int
count_descriptors(void)
{
  int count = 0;
  for (int fd = 0; fd < 100; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

/* Three descriptors in one message, which fdpass_send() has no room for. */
static void
send_three(int socket, int fd)
{
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(3 * sizeof(int))];
  } ancillary;
  int const fds[3] = {fd, fd, fd};
  char byte = 'x';
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = ancillary.space,
                           .msg_controllen = sizeof ancillary.space};
  memset(&ancillary, 0, sizeof ancillary);
  ancillary.align.cmsg_level = SOL_SOCKET;
  ancillary.align.cmsg_type = SCM_RIGHTS;
  ancillary.align.cmsg_len = CMSG_LEN(sizeof fds);
  memcpy(CMSG_DATA(&ancillary.align), fds, sizeof fds);
  tap_is_number(sendmsg(socket, &message, 0), 1, "three are sent");
}

int
main(void)
{
  int ends[2], ours[2], fds[FDPASS_MAX];
  size_t n = 7;
  char byte = 0, got[3] = "";
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || pipe(ours) < 0)
    return 111;
  tap_is_number(fdpass_receive(ends[1], &byte, fds, &n), -1, "nothing there");
  tap_is_number(errno, EAGAIN, "... is EAGAIN");
  tap_is_number((long long)n, 0, "... with no descriptors");

  tap_is_number(fdpass_send(ends[0], 'a', NULL, 0), 0, "a byte");
  tap_is_number(fdpass_send(ends[0], 'b', ours, 2), 0, "a byte and a pipe");
  tap_is_number(fdpass_receive(ends[1], &byte, fds, &n), 1, "the first");
  tap_ok(byte == 'a' && n == 0, "... comes alone");
  tap_is_number(fdpass_receive(ends[1], &byte, fds, &n), 1, "the second");
  tap_ok(byte == 'b' && n == 2, "... with two");
  tap_ok(fcntl(fds[0], F_GETFD) == FD_CLOEXEC &&
             fcntl(fds[1], F_GETFD) == FD_CLOEXEC,
         "which are close-on-exec");
  tap_ok(write(fds[1], "hi", 2) == 2 && read(ours[0], got, 2) == 2, "and work");
  tap_is_string(got, "hi", "as the ones that were sent");
  close(fds[0]);
  close(fds[1]);

  int before = count_descriptors();
  send_three(ends[0], ours[0]);
  tap_is_number(fdpass_receive(ends[1], &byte, fds, &n), -1, "are refused");
  tap_is_number(errno, EPROTO, "... as EPROTO");
  tap_is_number(count_descriptors(), before, "... and none stays open");

  close(ends[0]);
  tap_is_number(fdpass_receive(ends[1], &byte, fds, &n), 0, "end of file");
  tap_is_number(fdpass_send(ends[1], 'x', NULL, 0), -1, "nobody is there");
  tap_is_number(errno, EPIPE, "... is EPIPE, and no signal");
  return tap_done();
}
