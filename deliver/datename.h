/* File names with a date in them. Pure. */
#ifndef TRAPLINE_DELIVER_DATENAME_H
#define TRAPLINE_DELIVER_DATENAME_H

#include <stddef.h>
#include <time.h>

/*
 * Write pattern to out (size bytes, NUL-terminated) with %Y, %m, %d, %H (hour),
 * %j (day of the year) of this time, and % for %%. 1; or 0 if it does not fit
 * or there is another % in it.
 */
int datename_expand(char const *pattern, struct tm const *time, char *out,
                    size_t size);

#endif
