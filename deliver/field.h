/*
 * Fields of what a program prints for a person or a script: " key=value".
 *
 * Values are safe to show, as in lib/log.h, but never cut: every byte outside
 * printable ASCII, the quote and the backslash come out as \xNN; a value with
 * blanks, or an empty one, is put in quotes.
 */
#ifndef TRAPLINE_DELIVER_FIELD_H
#define TRAPLINE_DELIVER_FIELD_H

#include <stdint.h>

/* The value alone, a blank before it. */
void field_value(char const *value);

/* key: trusted. */
void field_string(char const *key, char const *value);
void field_number(char const *key, uint64_t value);

#endif
