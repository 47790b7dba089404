/*
 * The text of a job's control file; trapline-queue(5). Pure.
 */
#ifndef TRAPLINE_LIB_JOBCONTROL_H
#define TRAPLINE_LIB_JOBCONTROL_H

#include <stddef.h>
#include <stdint.h>

/* The five lines that every control file begins with. */
struct jobcontrol {
  char const *data_path;     /* QDFN: absolute */
  uint64_t data_bytes;       /* QDSB */
  int64_t seconds;           /* QSTT */
  unsigned int microseconds; /* QSTM */
  char const *host;          /* QSHN */
};

/* One line after them. */
struct metadata {
  char const *key;
  char const *value; /* value_bytes bytes */
  size_t value_bytes;
};

/* 1 if a metadata line may have this key: not empty, no colon, no LF, not Q
 * and three more bytes. */
int jobcontrol_is_key(char const *key);

/* 1 if a line may have this value: no LF and no NUL; it may be empty. */
int jobcontrol_is_value(char const *value, size_t n);

/*
 * Write the control file's text into out, room for size bytes. Returns its
 * length, or 0 with EINVAL for a key or value that is not allowed, a key that
 * comes twice, a data path that is not absolute or an empty host name, or with
 * E2BIG if it does not fit.
 */
size_t jobcontrol_format(struct jobcontrol const *control,
                         struct metadata const *metadata, size_t count,
                         char *out, size_t size);

#endif
