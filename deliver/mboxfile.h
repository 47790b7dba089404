/*
 * An mbox file, locked as mail tools expect it, and appended to whole or not
 * at all.
 *
 * The locks, in this order: fcntl on the file, then FILE.lock, made only where
 * there is none, whose text is our process, host and the file's length before.
 * That text is also the journal: who finds it after a crash cuts the file to
 * that length, which becomes that behind the message before the lock goes.
 *
 * Functions return 0; or -1 with errno, and file->action says what failed.
 */
#ifndef TRAPLINE_DELIVER_MBOXFILE_H
#define TRAPLINE_DELIVER_MBOXFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mboxfile {
  int fd;
  bool has_lock; /* FILE.lock is ours: */
  int lock_fd;   /* -1: closed */
  bool is_new;   /* no file was there */
  bool broke;    /* a lock that someone left was removed */
  off_t before;  /* its length without what we append */
  uint64_t cut;  /* bytes of an unfinished message that were cut off */
  char const *action;
  char path[PATH_MAX];
  char lock[PATH_MAX + 5];
};

/* Open path, make it if it is missing, and lock it within limit_s: else
 * ETIMEDOUT. EINTR if ending_is_due(). */
int mboxfile_open(struct mboxfile *file, char const *path,
                  unsigned int limit_s);

/* Append what can be read from this descriptor, and sync it. On failure the
 * file has its old length. */
int mboxfile_append(struct mboxfile *file, int from);

/* Between mboxfile.c and mboxlock.c: the directory of path, into PATH_MAX
 * bytes. */
void mboxfile_directory(struct mboxfile const *file, char *directory);

/* Unlock and close. 0; -1 if FILE.lock could not be removed: others wait for
 * it, the next of us does it away. */
int mboxfile_close(struct mboxfile *file);

#endif
