#include "lib/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union ancillary {
  struct cmsghdr align;
  char space[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

int
fdpass_send(int socket, char byte, int const *fds, size_t n)
{
  union ancillary ancillary;
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  ssize_t r;
  if (n) {
    memset(&ancillary, 0, sizeof ancillary);
    message.msg_control = ancillary.space;
    message.msg_controllen = CMSG_SPACE(n * sizeof *fds);
    struct cmsghdr *header = &ancillary.align;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(n * sizeof *fds);
    memcpy(CMSG_DATA(header), fds, n * sizeof *fds);
  }
  do
    r = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (r < 0 && errno == EINTR);
  return r == 1 ? 0 : -1;
}

int
fdpass_receive(int socket, char *byte, int *fds, size_t *n)
{
  union ancillary ancillary;
  struct iovec part = {byte, 1};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = ancillary.space,
                           .msg_controllen = sizeof ancillary.space};
  ssize_t r;
  *n = 0;
  do
    r = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (r < 0 && errno == EINTR);
  if (r <= 0)
    return (int)r;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET &&
      header->cmsg_type == SCM_RIGHTS) {
    size_t bytes = header->cmsg_len - CMSG_LEN(0);
    *n = bytes / sizeof *fds;
    memcpy(fds, CMSG_DATA(header), *n * sizeof *fds);
  }
  if (!(message.msg_flags & MSG_CTRUNC))
    return 1;
  int reason = *n < FDPASS_MAX ? EMFILE : EPROTO;
  while (*n)
    close(fds[--*n]);
  errno = reason;
  return -1;
}
