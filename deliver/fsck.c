#include "deliver/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "deliver/field.h"
#include "deliver/progress.h"

void
fsck_report(struct fsck *fsck, struct fsck_finding const *finding,
            bool repaired)
{
  char path[JOBQUEUE_FILE_MAX + 1];
  progress_hide();
  fsck->found++;
  fsck->repaired += repaired;
  snprintf(path, sizeof path, "%s/%s", finding->directory, finding->name);
  printf("%s", finding->word);
  field_string("path", path);
  field_string("why", finding->why);
  field_string("fix", finding->fix);
  if (fsck->repair)
    field_string("fixed", repaired ? "yes" : "no");
  putchar('\n');
}

void
fsck_trouble(struct fsck *fsck, char const *action, char const *directory,
             char const *name)
{
  int error = errno;
  fsck->trouble = true;
  progress_hide();
  strerr_warnwu(action, " ", directory, name[0] ? "/" : "", name, ": ",
                strerror(error));
}

int
fsck_stat(int directory, char const *name, struct stat *status)
{
  return fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(status->st_mode);
}

int64_t
fsck_age(struct fsck const *fsck, struct stat const *status)
{
  return fsck->now_s - (int64_t)status->st_mtime;
}

bool
fsck_is_dead(int64_t pid)
{
  return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) == -1 &&
         errno == ESRCH;
}
