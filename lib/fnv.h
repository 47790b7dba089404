/* FNV-1a of 64 bits (draft-eastlake-fnv): a hash for tables, which does not
 * withstand keys that were chosen against it. Pure. */
#ifndef TRAPLINE_LIB_FNV_H
#define TRAPLINE_LIB_FNV_H

#include <stdint.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325) /* the hash of nothing */

/* The hash of what hash stands for, and value behind it. */
static inline uint64_t
fnv_add(uint64_t hash, uint64_t value)
{
  return (hash ^ value) * UINT64_C(0x100000001b3);
}

static inline uint64_t
fnv_string(uint64_t hash, char const *string)
{
  for (; *string; string++)
    hash = fnv_add(hash, (unsigned char)*string);
  return hash;
}

#endif
