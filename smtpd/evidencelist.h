/* A transcript shown: what it holds, or one message of it. To stdout. */
#ifndef TRAPLINE_SMTPD_EVIDENCELIST_H
#define TRAPLINE_SMTPD_EVIDENCELIST_H

#include <stdbool.h>
#include <stdint.h>

#include "smtpd/evidencefile.h"

/* Each record on a line, escaped, bodies by their size. */
enum evidencefile_result evidencelist_all(struct evidencefile *file);

/* The bytes of message number as they came; *found: there is such a one;
 * *is_cut: the transcript ends in the middle of it. */
enum evidencefile_result evidencelist_message(struct evidencefile *file,
                                              uint64_t number, bool *found,
                                              bool *is_cut);

/* The n bytes, escaped. */
void evidencelist_put(char const *bytes, size_t n);

#endif
