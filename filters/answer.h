/* The answer that an operator has a filter give (option -a). Pure. */
#ifndef TRAPLINE_FILTERS_ANSWER_H
#define TRAPLINE_FILTERS_ANSWER_H

#include <stdbool.h>

#define ANSWER_BYTES_MAX 480 /* what trap-smtpd says of one */
#define ANSWER_DISCARDED "250 2.0.0 discarded"
#define ANSWER_LATER "451 4.3.0 Temporary failure, try again later"

/* Whether the text can answer a message: 2xx, 4xx or 5xx and a text of
 * printable ASCII, perhaps a "!" before it, at most ANSWER_BYTES_MAX bytes. */
bool answer_is_usable(char const *text);

#endif
