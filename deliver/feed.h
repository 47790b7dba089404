/*
 * Messages of an archive through a pipeline, one after the other, and what was
 * answered: what feed-mbox and feed-maildir share.
 */
#ifndef TRAPLINE_DELIVER_FEED_H
#define TRAPLINE_DELIVER_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include <skalibs/stralloc.h>

#include "deliver/slot.h"
#include "deliver/verdicts.h"

#define FEED_EXIT_REFUSED 1
#define FEED_USAGE "[-v] [-s sender] [-r recipient] [-t seconds]"

/* limit_s and directory have their defaults before feed_options(); directory
 * NULL: there is no -d. */
struct feed {
  bool has_sender;       /* -s */
  bool is_verbose;       /* -v */
  bool has_refused;      /* something was answered 4xx or 5xx */
  bool in_trouble;       /* the exit code is 111 */
  unsigned int failures; /* of the pipeline, one message after the other */
  unsigned int limit_s;  /* -t */
  char const *directory; /* -d */
  struct address sender;
  stralloc recipients; /* -r, one TAB between them; empty: none */
  stralloc found;      /* likewise, in the message in hand */
  struct verdicts verdicts;
  struct stagelist *stages;
  struct slot slot;
};

/* The index of the first argument that is no option; -1: wrong usage. */
int feed_options(struct feed *feed, int argc, char **argv);

/* The pipeline: command (a "--" before it is skipped), or control/pipeline if
 * it is NULL or empty. Dies. */
void feed_start(struct feed *feed, char **command);

/* One message: the file, of so many bytes, from its start; name for -v and log
 * lines; sender: what the archive says beside the message, or NULL. */
void feed_send(struct feed *feed, int fd, uint64_t bytes, char const *name,
               char const *sender);

/* Whether to go on: no signal came, and the pipeline is of use. */
bool feed_goes_on(struct feed const *feed);

/* Log trouble with a part of the archive; errno is the reason. */
void feed_trouble(struct feed *feed, char const *event, char const *name);

/* End the pipeline and print the table; the exit code. */
int feed_finish(struct feed *feed);

#endif
