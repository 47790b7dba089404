/*
 * The directory of denyrepeat: its state, the lists for others, and the FIFO
 * that wakes who writes them.
 */
#ifndef TRAPLINE_EDGE_DENYFILES_H
#define TRAPLINE_EDGE_DENYFILES_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/denylist.h"

struct denyfiles {
  char const *directory;
  char const *instructions; /* of each rule */
  char const *rules;        /* a file of rules before ours; NULL: none */
  unsigned int forms;       /* the lists beside tcp; denyfiles_add() */
};

/* Whether text can be the instructions of a rule. */
bool denyfiles_instructs(char const *text);

/* Have lists in a form written, too. false: there is none of that name. */
bool denyfiles_add(struct denyfiles *files, char const *form);

/* Open the state; the directory and the FIFO are made if they are not there.
 * 0, or -1 with errno. */
int denyfiles_history(struct denyfiles const *files, struct history *history,
                      uint32_t sets, uint32_t instants);

/* Open a file of the directory with these flags, close-on-exec. */
int denyfiles_open(struct denyfiles const *files, char const *name, int flags);

/* Have whoever follows a log here write the lists. false: nobody does. */
bool denyfiles_wake(struct denyfiles const *files);

/* Print what is denied on standard output. 0, or -1 with errno. */
int denyfiles_list(struct history *history, int64_t now_ms);

/* Write all lists, then become tcprules. Trouble is logged, and the exit is
 * 111. Not in a process that has the history open already. */
void denyfiles_write(struct denyfiles const *files, uint32_t sets,
                     uint32_t instants, int64_t now_ms)
    __attribute__((noreturn));

#endif
