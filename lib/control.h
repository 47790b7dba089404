/*
 * Control files: a directory, $TRAPLINE_CONTROL or ./control, of small files.
 * A value is a file's first line, trailing blanks dropped. A list has one
 * entry a line; blank lines and lines that begin with # do not count.
 *
 * No function exits. On failure errno is set and control_error() says in one
 * line what is wrong and where, for the log.
 */
#ifndef TRAPLINE_LIB_CONTROL_H
#define TRAPLINE_LIB_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#define CONTROL_VALUE_MAX 1023 /* bytes in a value */
#define CONTROL_LIST_MAX 65535 /* bytes in a list file */

/*
 * Read a value into out, NUL-terminated. size: of out, in bytes.
 * A missing file gives fallback; fallback NULL: out is the empty string.
 * 1 if the file is there, 0 if it is missing, -1 on error (unreadable, a value
 * too long for out, or a control character in it: EINVAL).
 */
int control_line(char const *name, char const *fallback, char *out,
                 size_t size);

/*
 * Read a decimal number from least to most into *out; a missing file leaves
 * *out as it is. Returns as control_line; no number, or one out of range:
 * -1 with EINVAL.
 */
int control_number(char const *name, uint64_t least, uint64_t most,
                   uint64_t *out);

/*
 * Read a list. entries[n] is NULL. most: room in entries, the NULL counted.
 * Returns n, or -1 on error; a missing file is ENOENT, too many entries or too
 * many bytes E2BIG. The entries are one piece of memory: free(entries[0])
 * where n is not 0, or keep them.
 */
int control_list(char const *name, char **entries, size_t most);

/* control/me, else the host's name: how this host calls itself. As
 * control_line. */
int control_me(char *out, size_t size);

/* The path of a control file, NUL-terminated. -1 with ENAMETOOLONG. */
int control_path(char const *name, char *out, size_t size);

/* Let control_error() tell of a file whose content is of no use. Returns -1
 * with EINVAL. */
int control_invalid(char const *name, char const *what);

/* What the last failure was: "control/databytes: not a number ...". Never
 * NULL; valid until the next call. */
char const *control_error(void);

#endif
