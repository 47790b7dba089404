/*
 * Places for connections: locks of the kernel on single bytes of a file, which
 * go with the process that has them.
 */
#ifndef TRAPLINE_EDGE_PLACES_H
#define TRAPLINE_EDGE_PLACES_H

#include <stdint.h>

#define PLACES_MAX 4096 /* of one kind */

enum places_result {
  PLACES_TAKEN,
  PLACES_FULL,
  PLACES_FAILED, /* errno */
};

/*
 * Take one of most places (1 to PLACES_MAX) of a kind, in a directory that is
 * made if it is not there. TAKEN: *fd has it, close-on-exec. Kinds are told
 * apart by 58 bits of their numbers.
 */
enum places_result places_take(char const *directory, uint64_t kind,
                               uint32_t most, int *fd);

#endif
