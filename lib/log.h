/*
 * Log lines: "program: event key=value ...", one write to standard error per
 * line, at most LOG_LINE_MAX bytes, so that lines of parallel writers never
 * interleave in one pipe to multilog.
 *
 * Values are safe to show: every byte outside printable ASCII, the quote and
 * the backslash come out as \xNN; a value with blanks is put in quotes; a
 * value over LOG_VALUE_MAX bytes is cut and ends in "...". The program's name
 * is skalibs' PROG.
 *
 * A field that no longer fits is left out whole, so put what matters first.
 */
#ifndef TRAPLINE_LIB_LOG_H
#define TRAPLINE_LIB_LOG_H

#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX 1000
#define LOG_VALUE_MAX 255

struct log {
  size_t used;
  char line[LOG_LINE_MAX];
};

/* Begin a line. event: trusted, one or a few words. */
void log_start(struct log *log, char const *event);

/* Add " key=value". key: trusted. value: n bytes from anywhere. */
void log_bytes(struct log *log, char const *key, char const *value, size_t n);
void log_string(struct log *log, char const *key, char const *value);
void log_number(struct log *log, char const *key, uint64_t value);

/* The same for what a client says, which may have a password in it: nothing of
 * it that is behind the word AUTH. */
void log_said(struct log *log, char const *key, char const *value, size_t n);

/* Add " key=S.mmm" for a time of milliseconds. */
void log_seconds(struct log *log, char const *key, uint64_t milliseconds);

/* Add " exit=N" or " signal=N" for a status of waitpid(2). */
void log_status(struct log *log, int status);

/* Write the line and its LF. Keeps errno; a failed write is not reported. */
void log_write(struct log *log);

#endif
