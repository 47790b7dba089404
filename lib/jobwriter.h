/*
 * The durable way of a message into a directory queue; trapline-queue(5).
 *
 *   begin    tmp/J.data created
 *   write    its bytes
 *   commit   data synced, linked to data/x/y, that directory synced; tmp/J.ctrl
 *            written and synced; linked to queue/J: from here on the job
 *            exists; queue synced and touched
 *
 * On failure functions return -1, leave errno, queue.failure says what was not
 * possible, and nothing of the job is left on disk, with the one exception that
 * jobwriter_commit() names.
 */
#ifndef TRAPLINE_LIB_JOBWRITER_H
#define TRAPLINE_LIB_JOBWRITER_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/jobcontrol.h"
#include "lib/jobname.h"
#include "lib/jobqueue.h"

#define JOBWRITER_DATA_BUFFER 65536  /* bytes gathered for one write */
#define JOBWRITER_CONTROL_MAX 196608 /* bytes in a control file */
#define JOBWRITER_HOST_MAX 255

/* What may be on disk of the job in hand. */
enum jobwriter_state {
  JOBWRITER_EMPTY,   /* nothing */
  JOBWRITER_DATA,    /* tmp/J.data */
  JOBWRITER_LINKED,  /* tmp/J.data and data/x/y/K */
  JOBWRITER_STORED,  /* data/x/y/K, on disk for good */
  JOBWRITER_CONTROL, /* data/x/y/K and tmp/J.ctrl */
};

/* Time and chance. Both return 0, or -1 with errno. */
struct jobwriter_source {
  int (*clock)(struct timespec *now);
  int (*random)(uint16_t *number);
};

struct jobwriter {
  struct jobqueue queue;
  struct jobwriter_source source;
  unsigned int priority;
  uint32_t pid; /* of this process */
  char host[JOBWRITER_HOST_MAX + 1];
  volatile sig_atomic_t state; /* enum jobwriter_state */
  int data_fd;
  struct timespec started; /* the instant in the name, and of QSTT and QSTM */
  uint64_t data_bytes;
  char base[JOBNAME_BASE_MAX + 1]; /* after commit: the job's name */
  char data_path[JOBNAME_DATA_MAX + 1];
  char tmp_data[JOBNAME_BASE_MAX + 6];
  char tmp_control[JOBNAME_BASE_MAX + 6];
  size_t buffered;
  char buffer[JOBWRITER_CONTROL_MAX];
};

/*
 * Prepare a writer; nothing is opened yet. directory is kept, not copied.
 * host: NULL takes the host's own name, or nohost if it has none; bytes CR and
 * LF are left out. 0, or -1 with errno as jobqueue_start(), or EINVAL if the
 * priority is over JOBNAME_PRIORITY_MAX or host is empty or too long.
 */
int jobwriter_start(struct jobwriter *writer, char const *directory,
                    unsigned int priority, char const *host);

/* Begin a job; one that was not committed is abandoned. 0 or -1. */
int jobwriter_begin(struct jobwriter *writer);

/* Add n bytes to the job's data. 0; or -1, and the job is abandoned. */
int jobwriter_write(struct jobwriter *writer, char const *bytes, size_t n);

/*
 * Make the job exist, durably; its name is then writer->base. 0; or -1, and the
 * job is abandoned, but for one case: when the last sync fails the job exists
 * and may be gone after a power cut. *exists says which (1 in that case, and
 * after success).
 */
int jobwriter_commit(struct jobwriter *writer, struct metadata const *metadata,
                     size_t count, int *exists);

/* Remove what is on disk of a job that was not committed; nothing if there is
 * none. Safe in a signal handler, but not while jobwriter_commit() runs. */
void jobwriter_abandon(struct jobwriter *writer);

#endif
