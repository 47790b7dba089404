/*
 * What is wrong in a directory queue, found, said and repaired; dq-fsck(8).
 *
 * Each look goes through one part of the queue and prints a line for each
 * finding. What cannot be looked at is said on standard error, and trouble is
 * set. Directories are never removed.
 */
#ifndef TRAPLINE_DELIVER_FSCK_H
#define TRAPLINE_DELIVER_FSCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/jobtaker.h"

struct fsck {
  struct jobtaker taker; /* the queue is open */
  bool repair;
  bool trouble;
  int64_t now_s;
  uint64_t found, repaired;
  struct job job;
};

struct fsck_finding {
  char const *word; /* "orphan-data"... */
  char const *directory, *name;
  char const *why;
  char const *fix; /* what a repair does */
};

/* The look into each part. */
void fsck_tmp(struct fsck *fsck);
void fsck_locks(struct fsck *fsck);
void fsck_jobs(struct fsck *fsck);
void fsck_odd(struct fsck *fsck);
void fsck_data(struct fsck *fsck);

/* What the looks have in common: say a finding, and whether it was repaired. */
void fsck_report(struct fsck *fsck, struct fsck_finding const *finding,
                 bool repaired);

/* Say what could not be looked at, or repaired; errno says why. */
void fsck_trouble(struct fsck *fsck, char const *action, char const *directory,
                  char const *name);

/* A regular file of the queue's: 1. 0 if it is gone or something else. */
int fsck_stat(int directory, char const *name, struct stat *status);

/* Seconds since the file was written. */
int64_t fsck_age(struct fsck const *fsck, struct stat const *status);

/* Whether a process of this host is gone. */
bool fsck_is_dead(int64_t pid);

#endif
