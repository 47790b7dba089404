#include "lib/jobfan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

bool
jobfan_is_directory(char const *name)
{
  return name[0] && !name[1] && strchr(JOBFAN_CHARACTERS, name[0]);
}

char const *
jobfan_base(char const *name)
{
  return name[0] && name[1] == '/' ? name + 2 : name;
}

int
jobfan_find(int queue, char const *job, char *out)
{
  struct stat status;
  strcpy(out, job);
  if (fstatat(queue, out, &status, AT_SYMLINK_NOFOLLOW) == 0)
    return 1;
  for (char const *c = JOBFAN_CHARACTERS; *c; c++) {
    out[0] = *c;
    out[1] = '/';
    strcpy(out + 2, job);
    if (fstatat(queue, out, &status, AT_SYMLINK_NOFOLLOW) == 0)
      return 1;
  }
  return 0;
}
