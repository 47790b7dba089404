/* Answers that filters give. */
#ifndef TRAPLINE_FILTERS_ANSWER_H
#define TRAPLINE_FILTERS_ANSWER_H

#define ANSWER_DISCARDED "250 2.0.0 discarded"
#define ANSWER_LATER "451 4.3.0 Temporary failure, try again later"

#endif
