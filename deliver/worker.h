/*
 * The worker of a directory queue: jobs picked in order, put into slots, and
 * done with as their answers say. dq-run(8).
 */
#ifndef TRAPLINE_DELIVER_WORKER_H
#define TRAPLINE_DELIVER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "deliver/retry.h"
#include "deliver/slot.h"
#include "lib/joblist.h"
#include "lib/jobtaker.h"

enum worker_event {
  WORKER_SIGNAL,
  WORKER_CHANGE, /* inotify */
  WORKER_HEAD,   /* of a slot */
  WORKER_TAIL,
};

/* What waits in deferred/. */
struct backlog {
  struct joblist list;
  char next[JOBLIST_NAME_MAX + 1]; /* the first of it; empty: not looked yet */
  struct timespec changed;         /* the directory, when it was last read */
  int64_t read_ms;
  int64_t run_ms; /* when to look again */
};

struct worker {
  struct jobtaker taker;
  struct retry_rules rules;
  char const *recipient; /* of jobs that name none */
  char const *refused;   /* where refused jobs go; NULL: they are dropped */
  int64_t limit_ms;      /* for one job */
  int64_t rescan_ms;
  int epoll;
  int inotify;                   /* -1: none */
  int watch_queue, watch_active; /* -1: none */
  int watch_fan[JOBFAN_MAX];     /* of fan-out; -1: none */
  struct joblist list;
  struct backlog backlog;
  bool stopping;
  bool dirty;           /* the queue may hold what the list does not */
  uint64_t opened;      /* the queue, when the list was begun */
  uint64_t busy_seen;   /* jobs of others, since the last load */
  uint64_t too_long;    /* names in the last load, as the log has it */
  char barred;          /* the same */
  int64_t load_ms;      /* not before: the next load of the list */
  int64_t rescan_at_ms; /* at the latest */
  int64_t pause_ms;     /* storage trouble: nothing is taken until... */
  int64_t paused_ms;    /* ... this */
  int64_t now_ms;
  struct stagelist *stages; /* of new pipelines */
  size_t slots;
  struct slot *slot;
};

/* 64 bits for epoll: which slot, which event. */
uint64_t worker_data(enum worker_event event, size_t slot);

/* Set up epoll, inotify and the list. 0 or -1 with errno. */
int worker_start(struct worker *worker);

/* Take jobs as long as there are some and a slot is free. */
void worker_fill(struct worker *worker);

/* Take the job of this name; a slot that is free. Whether it was taken; if not,
 * the log has why, where that matters. */
bool worker_take(struct worker *worker, struct slot *slot, char const *name);

/* A slot's head or tail is ready. */
void worker_slot(struct worker *worker, enum worker_event event, size_t slot);

/* inotify has something to tell. */
void worker_change(struct worker *worker);

/* A child has ended. */
void worker_reap(struct worker *worker);

/* Read control/pipeline anew; all pipelines are to be started anew. */
void worker_renew(struct worker *worker);

/* Do what is due, and say for how many milliseconds nothing is. */
int64_t worker_tick(struct worker *worker);

/* For how many milliseconds nothing is due when all slots are free, but for
 * changes of the queue. */
int64_t worker_idle_ms(struct worker const *worker);

/* How many jobs are in hand. */
size_t worker_busy(struct worker const *worker);

/* Give back what is in hand, end all pipelines, wait for their stages. */
void worker_end(struct worker *worker);

/* Between worker.c, pick.c, settle.c and jobcommand.c */

/* The next job to be tried; NULL if there is none now. */
char const *worker_pick(struct worker *worker);

/* The queue may be another one now, the watches with it. 0 or -1. */
int worker_ready(struct worker *worker);

/* Storage trouble: log it, take nothing for a while. */
void worker_pause(struct worker *worker);

/* What is due of the deferred comes back into the queue. */
void worker_undefer(struct worker *worker);

/* A job has just been put into deferred/ under this name. */
void worker_deferred(struct worker *worker, char const *name, int64_t due_s);

/* A slot's job is over: as its answers say; as if answered with a 4xx for this
 * reason, or with this one; done; not at all. */
void worker_settle(struct worker *worker, struct slot *slot);
void worker_settle_broken(struct worker *worker, struct slot *slot,
                          char const *reason);
void worker_defer(struct worker *worker, struct slot *slot, char const *answer);
enum jobtaker_end worker_finish(struct worker *worker, struct slot *slot);
void worker_give_back(struct worker *worker, struct slot *slot);

#endif
