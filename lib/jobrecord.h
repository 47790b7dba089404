/*
 * What a job's control file says, whoever wrote it; trapline-queue(5). Pure.
 *
 * A line is a key, ": " and a value. Of two lines with one key the last counts;
 * lines without ": " are passed over, and so are NULs after the last LF.
 */
#ifndef TRAPLINE_LIB_JOBRECORD_H
#define TRAPLINE_LIB_JOBRECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/jobcontrol.h"

#define JOBRECORD_TEXT_MAX 1048576 /* bytes in a control file */
#define JOBRECORD_LINES_MAX 1024   /* keys in it */

struct jobrecord {
  char const *data_path; /* QDFN as it stands; not empty */
  bool has_bytes;
  uint64_t data_bytes; /* QDSB, if has_bytes */
  int64_t seconds;     /* QSTT; 0 if it is no number */
  size_t lines;
  struct metadata line[JOBRECORD_LINES_MAX]; /* Q... lines too; a value may hold
                                                NULs, and one follows it */
};

/*
 * Read n bytes, at most JOBRECORD_TEXT_MAX, in place: the record points into
 * text, and NULs are put into it. Returns NULL, or what makes the file one of
 * no job: "cut short", "too many lines", "no data file named".
 */
char const *jobrecord_parse(struct jobrecord *record, char *text, size_t n);

/* 1 if the key is one of the format's own: Q and three capitals. */
int jobrecord_is_own(char const *key);

/* The line with this key; NULL if there is none. */
struct metadata const *jobrecord_find(struct jobrecord const *record,
                                      char const *key);

/*
 * Write the record anew into out, room for size bytes: the data file is
 * data_path, and each of the count lines in set takes the place of the line
 * with its key or comes last; a value of NULL takes the line away. Returns the
 * length, or 0 if it does not fit or would have too many lines.
 */
size_t jobrecord_format(struct jobrecord const *record, char const *data_path,
                        struct metadata const *set, size_t count, char *out,
                        size_t size);

#endif
