/*
 * The metadata of a job that came through the stream; deliver-dirqueue(8).
 */
#ifndef TRAPLINE_DELIVER_JOBMETADATA_H
#define TRAPLINE_DELIVER_JOBMETADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "deliver/notes.h"
#include "lib/envelope.h"
#include "lib/jobcontrol.h"
#include "lib/stage.h"

#define JOBMETADATA_OWN_KEYS 10 /* lines that are not notes */

struct jobmetadata {
  size_t count;
  struct metadata line[JOBMETADATA_OWN_KEYS + NOTES_MAX + 1]; /* one may be
                                                                  added */
  char time[80];
  char recipient_notes[ENVELOPE_NOTE_BYTES];
};

/* Whether a note may not have this key, because it would be no key of a job or
 * one of those that are set here. */
bool jobmetadata_is_reserved(char const *key);

/* Whether a key says what a sink did with a message: nothing of the message. */
bool jobmetadata_is_outcome(char const *key);

/* Everything known of the message. The lines point into the arguments, which
 * must stay as they are. started: the instant in the job's name. */
void jobmetadata_collect(struct jobmetadata *self, struct stage const *stage,
                         struct envelope *envelope, struct notes const *notes,
                         struct timespec const *started);

#endif
