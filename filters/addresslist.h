/* A list of addresses and domains, one a line, as qmail's control files have
 * them. Empty lines and those that begin with # do not count, nor do blanks at
 * a line's end, nor case. */
#ifndef TRAPLINE_FILTERS_ADDRESSLIST_H
#define TRAPLINE_FILTERS_ADDRESSLIST_H

#include <stddef.h>

#include "lib/rulecdb.h"

struct addresslist {
  struct rulecdb database;
};

/* Read a text. What it takes is kept until the process ends. 0, or -1 with
 * errno. */
int addresslist_load(struct addresslist *list, char const *path);

/* The same into a database that is not finished. */
int addresslist_compile(struct rulecdb_maker *maker, char const *path);

/* Use a database whose keys are the entries. The file stays open. 0, or -1 with
 * errno: EPROTO if it is none. */
int addresslist_open(struct addresslist *list, char const *path);

/*
 * Whether the mailbox is on the list, itself or by its @domain; or its domain,
 * by its name or by that of a domain above with a dot before it. The mailbox is
 * as address_mailbox() gives it. 1 or 0; -1 with errno, which only an open file
 * can bring about.
 */
int addresslist_has_mailbox(struct addresslist const *list, char const *mailbox,
                            size_t n, size_t at);
int addresslist_has_domain(struct addresslist const *list, char const *domain,
                           size_t n);

#endif
