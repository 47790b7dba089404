/* When a job came in, without a look into its control file. */
#ifndef TRAPLINE_DELIVER_SUBMITTED_H
#define TRAPLINE_DELIVER_SUBMITTED_H

#include <stdint.h>

/* The instant in a name, seconds since 1970: 1; or 0 if it has none. Pure. */
int submitted_name(char const *name, int64_t *seconds);

/* The same; the file's mtime where the name has none. 1; or 0 if there is no
 * such file in the directory. */
int submitted_file(int directory, char const *name, int64_t *seconds);

#endif
