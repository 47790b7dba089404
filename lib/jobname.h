/*
 * Names of jobs in a directory queue; trapline-queue(5). Pure.
 *
 * A base name is PP.YYYYMMDDhhmmssuuuuuu.HASH.PID.RAND, RAND in five digits: a
 * job's data file lies in data/H1/H2, where H1 and H2 are the last two
 * characters of its base name, under the base name without these two.
 */
#ifndef TRAPLINE_LIB_JOBNAME_H
#define TRAPLINE_LIB_JOBNAME_H

#include <stddef.h>
#include <stdint.h>

#define JOBNAME_PRIORITY_MAX 99
#define JOBNAME_HASH_MAX 8
#define JOBNAME_BASE_MAX 63 /* bytes in a base name; ours have at most 49 */
#define JOBNAME_DATA_MAX (JOBNAME_BASE_MAX + 7)

/* What a base name is made of. */
struct jobname {
  unsigned int priority;     /* 0 to 99; lower runs first */
  int64_t seconds;           /* since 1970, UTC */
  unsigned int microseconds; /* 0 to 999999 */
  char const *host;
  uint32_t pid;
  uint16_t random;
};

/* The hash of host name and process id, 2 to 8 of A-Z a-z 0-9 + _, into out
 * (room for JOBNAME_HASH_MAX + 1), NUL-terminated. Returns its length. */
size_t jobname_hash(char const *host, uint32_t pid, char *out);

/* The base name into out (room for JOBNAME_BASE_MAX + 1), NUL-terminated.
 * Returns its length, or 0 if a field is out of its range or the year is not
 * one of 1970 to 9999. */
size_t jobname_base(struct jobname const *name, char *out);

/* "data/H1/H2/NAME" of a base name of 3 to JOBNAME_BASE_MAX bytes into out
 * (room for JOBNAME_DATA_MAX + 1), NUL-terminated. Returns its length, or 0 if
 * the base name is too short or too long or H1 or H2 would be a dot or a
 * slash. */
size_t jobname_data(char const *base, char *out);

#endif
