/*
 * A rule file in the form that is searched: a cdb image. It is made from the
 * text in memory; rcptcheck-compile(8) writes it to a file.
 *
 * Keys: A and a mailbox, D and a domain (@domain), T and a domain (@.domain).
 * Data: a struct ruleimage_line, then the line, trimmed.
 * The record with the empty key is the head: struct ruleimage_head, a struct
 * ruleimage_line for each regex in the order of the file, their lines one
 * behind the other, zeroes up to a multiple of 8, and PCRE2's serialized form
 * of the regexes. Numbers are as this machine has them.
 */
#ifndef TRAPLINE_FILTERS_RULEIMAGE_H
#define TRAPLINE_FILTERS_RULEIMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "filters/rule.h"
#include "lib/rulecdb.h"

#define RULEIMAGE_MAGIC UINT64_C(0x336c75722d706172) /* rap-rul3 */

struct ruleimage_line {
  uint32_t number;
  uint32_t bytes; /* of the line, which follows */
  uint32_t check; /* ruleimage_check() */
};

struct ruleimage_head {
  uint64_t magic;
  uint64_t checksum; /* of the head and all that follows it in the record, this
                        field as 0, and of the cdb's table of tables */
  uint64_t image_bytes;
  uint64_t text_bytes; /* of the text it was made from */
  int64_t text_mtime_s;
  int64_t text_mtime_ns;
  uint32_t rules;
  uint32_t regexes;
  uint32_t line_bytes;    /* of all lines of regexes */
  uint32_t pattern_bytes; /* of the serialized form */
  uint32_t domains;       /* rules for @domain */
  uint32_t longest_tree;  /* bytes in the longest domain of @.domain, or 0 */
};

/* Where things about rules are told. line: 0 if it is about the whole file. So
 * many bad rules are told one by one, the others are counted. */
struct ruleimage_reporter {
  void (*report)(void *data, uint32_t line, char const *event,
                 char const *problem);
  void *data;
  uint64_t bad_most;
};

/*
 * Make the image of n bytes of text. status: of the text's file, for the head.
 * Rules that cannot be used are reported and left out. 1, or 0 with errno
 * (ENOMEM, EFBIG); then *maker needs no free.
 */
int ruleimage_make(char const *text, size_t n, struct stat const *status,
                   struct ruleimage_reporter const *reporter,
                   struct rulecdb_maker *maker);

/* What a key begins with, for each kind but RULE_REGEX. */
char ruleimage_key(enum rule_kind kind);

/* The check of a line and its number. */
uint32_t ruleimage_check(uint32_t number, char const *text, size_t n);

/* The checksum of the head's record, n bytes, and of a cdb's table of tables.
 */
uint64_t ruleimage_checksum(void const *record, size_t n,
                            unsigned char const *table);

/* Bytes of the head's record up to the serialized form. */
size_t ruleimage_pattern_offset(struct ruleimage_head const *head);

#endif
