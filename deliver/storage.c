#include "deliver/storage.h"

#include <errno.h>
#include <string.h>

#include "lib/log.h"

char const *
storage_advice(int error)
{
  switch (error) {
  case ENOENT:
    return "make the directory, or correct its path";
  case EACCES:
  case EPERM:
    return "let the user of this program write there";
  case ENOSPC:
    return "free space or inodes on this file system";
  case EDQUOT:
    return "raise the quota of this user, or free space";
  case EFBIG:
    return "raise the limit on file size (softlimit -f)";
  case EMFILE:
    return "raise the limit on open files (softlimit -o)";
  case EAGAIN:
    return "raise the limit on processes (softlimit -p)";
  case ENFILE:
    return "raise fs.file-max";
  case ENOMEM:
    return "raise the limit on memory (softlimit -a, -d or -m)";
  case ENAMETOOLONG:
    return "use a shorter path";
  case EROFS:
    return "mount the file system read-write";
  case ENOTDIR:
  case ELOOP:
    return "remove what stands there in place of a directory";
  case EXDEV:
  case EMLINK:
    return "keep all of it on one file system that has hard links";
  default:
    return "look for trouble of this file system in the kernel's log";
  }
}

char const *
storage_answer(int error)
{
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    return "452 4.3.1 insufficient system storage, try again later";
  return "451 4.3.0 unable to store the message, try again later";
}

void
storage_log(struct log *log, char const *action, char const *path, int error)
{
  log_string(log, "action", action);
  log_string(log, "path", path);
  log_string(log, "error", strerror(error));
  log_string(log, "advice", storage_advice(error));
  log_write(log);
}
