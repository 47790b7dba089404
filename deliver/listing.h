/*
 * A job as dq-list(1) shows it. Nothing is locked, opened for writing or made.
 */
#ifndef TRAPLINE_DELIVER_LISTING_H
#define TRAPLINE_DELIVER_LISTING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/jobdata.h"
#include "lib/joblist.h"
#include "lib/joblock.h"
#include "lib/jobrecord.h"

enum listing_state {
  LISTING_ACTIVE,
  LISTING_QUEUED,
  LISTING_DAMAGED,
  LISTING_DEFERRED,
  LISTING_ASIDE, /* in failed/, or where dq-run(8) -r puts them */
};

struct listing_queue {
  int root;
  struct jobqueue paths; /* no other directory of it is opened */
  struct jobdata data;
};

struct listing {
  enum listing_state state; /* DAMAGED: in queue/, and nobody can take it */
  char const *directory;    /* "queue"... */
  char name[JOBLIST_NAME_MAX + 1];
  char const *damage; /* what is wrong with it; NULL: nothing */
  char lock_host[JOBLOCK_HOST_MAX + 1]; /* ACTIVE */
  pid_t lock_pid;
  bool dead;   /* ACTIVE: a process of this host that has gone */
  bool parsed; /* there is a record, whatever else is wrong */
  struct jobrecord record;
  char text[JOBRECORD_TEXT_MAX + 1];
};

/* The state that is called so, or -1; ASIDE is called as its directory. */
int listing_state(char const *name);

/* Open a zeroed queue. 0 or -1. */
int listing_open(struct listing_queue *queue, char const *directory);

/* Read a job, and see that its data file is there. 1; or 0 if it has gone
 * meanwhile. */
int listing_read(struct listing *job, struct listing_queue *queue,
                 char const *directory, char const *name);

/* Print it as the program of IPC::DirQueue does; its place in the section. */
void listing_text(struct listing const *job, uint64_t number);

/* Print it as one line of JSON. Bytes outside ASCII become the characters of
 * Latin-1 with these numbers. */
void listing_json(struct listing const *job);

#endif
