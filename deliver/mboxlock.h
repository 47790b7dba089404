/* Private to mboxfile.c: the FILE.lock of an mbox file, and what it tells after
 * a crash. */
#ifndef TRAPLINE_DELIVER_MBOXLOCK_H
#define TRAPLINE_DELIVER_MBOXLOCK_H

#include "deliver/mboxfile.h"

/*
 * Make FILE.lock; the file is open, and its fcntl lock is ours. before and
 * has_lock are then set. One of ours whose process is gone is taken over, after
 * what it left half written was cut off; another one's is removed once it is
 * five minutes old. 1, 0 if it is taken, or -1.
 */
int mboxlock_take(struct mboxfile *file);

/* Have FILE.lock say that the file is whole up to length, and sync it. 0 or -1.
 */
int mboxlock_write(struct mboxfile const *file, off_t length);

#endif
