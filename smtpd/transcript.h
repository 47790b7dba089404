/*
 * The transcript of a session: a file of records in the order of what happened,
 * as trapline-evidence(5) has them. What is recorded is gathered, and written
 * in large pieces; nothing is on the disk before transcript_keep(), unless
 * more than the buffer was recorded by then.
 *
 * Every function may be called with NULL and does nothing then. One that
 * cannot be written is given up: its file is gone, error is the errno, and
 * later calls do nothing.
 */
#ifndef TRAPLINE_SMTPD_TRANSCRIPT_H
#define TRAPLINE_SMTPD_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSCRIPT_BYTES 65536
/* Of the limit, for "X ms" and "E ms why". */
#define TRANSCRIPT_RESERVE 64
#define TRANSCRIPT_WHY_MAX 16
#define TRANSCRIPT_PATH_MAX 512 /* directory, name and dot */

struct transcript {
  char const *directory, *name;
  int fd;    /* of DIRECTORY/.NAME, -1: not open */
  int error; /* an errno; 0: all is well */
  bool kept; /* the file stays */
  bool full; /* the limit was reached */
  int64_t started_ms;
  int64_t packet_ms; /* of the last packet, or of a record behind it */
  uint64_t left;     /* bytes up to the limit */
  size_t used;
  char buffer[TRANSCRIPT_BYTES];
};

/* Start now, with V. directory and name (no client had a hand in it) are kept.
 * The file has at most limit bytes, which are TRANSCRIPT_RESERVE or more. */
void transcript_start(struct transcript *transcript, char const *directory,
                      char const *name, uint64_t limit);

/* P: a read brought n bytes. */
void transcript_packet(struct transcript *transcript, size_t n);

/* C: a command with its line end, or a piece of a line. */
void transcript_command(struct transcript *transcript, char const *line,
                        size_t n);

/* C: what was read and not taken, line by line. */
void transcript_rest(struct transcript *transcript, char const *bytes,
                     size_t n);

/* S: a line of a reply, without its line end. */
void transcript_reply(struct transcript *transcript, char const *text,
                      size_t n);

/* B: bytes that are no command. */
void transcript_body(struct transcript *transcript, char const *bytes,
                     size_t n);

/* D: bytes that were dropped. */
void transcript_drop(struct transcript *transcript, char const *bytes,
                     size_t n);

/* T: what follows comes through TLS. */
void transcript_tls(struct transcript *transcript);

/* The file is to stay. Returns whether it is there. */
bool transcript_keep(struct transcript *transcript);

/* Write what was gathered, if the file is to stay. */
void transcript_flush(struct transcript *transcript);

/* E, and the file has its name; or it is gone, if it was not to stay. why: at
 * most TRANSCRIPT_WHY_MAX bytes. */
void transcript_end(struct transcript *transcript, char const *why);

#endif
