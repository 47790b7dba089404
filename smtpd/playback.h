/*
 * A transcript played to a server: what the client sent is sent again, packet
 * for packet, each when the replies before it have been heard; these are
 * compared. What is found goes to stdout; trap-replay(1).
 */
#ifndef TRAPLINE_SMTPD_PLAYBACK_H
#define TRAPLINE_SMTPD_PLAYBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/smtpwire.h"
#include "smtpd/evidencefile.h"
#include "smtpd/replytext.h"

#define PLAYBACK_PACKET_MAX 65536 /* bytes that are sent at once */
#define PLAYBACK_REST_MAX 100     /* replies that nobody waits for */

/* All zero at the start but what stands first, events.fd and bytes.fd. */
struct playback {
  char const *target;   /* HOST:PORT or a path */
  bool exact;           /* compare the text, too */
  bool all;             /* show what is the same, too */
  unsigned int pause_s; /* wait as the client did, so long at most */
  struct smtpwire wire; /* connected, with its limit_s */

  struct evidencefile events; /* goes through all records, */
  struct evidencefile bytes;  /* and this one through what is to be sent */
  uint64_t announced;         /* bytes of packets so far, and */
  uint64_t passed;            /* of the client's records */
  int64_t last_ms;            /* the time of the last record but the packet */
  uint64_t reply_line;        /* where kept begins in the file */
  struct replytext kept, heard;
  uint64_t differences;
  char packet[PLAYBACK_PACKET_MAX];
  bool is_over; /* nothing more can be sent or heard */
  bool was_cut; /* the transcript ends before the session did */
};

/* Play it to its end. EVIDENCEFILE_END, whatever the differences; or why the
 * evidence cannot be read. */
enum evidencefile_result playback_run(struct playback *play);

#endif
