/* sources: deliver/replay*.c deliver/jobmetadata.c deliver/notes.c */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "deliver/replay.h"
#include "lib/client.h"
#include "lib/command.h"

/* Each line that is sent is one of the stream. */
static void
check_text(struct replay const *replay)
{
  char const *p = replay->text.s;
  char const *end = p + replay->text.len;
  size_t recipients = 0, mails = 0, bodies = 0;
  while (p < end) {
    struct envelope_command command;
    struct client client;
    struct note note;
    uint64_t bytes;
    bool last;
    size_t rest;
    char const *lf = memchr(p, '\n', (size_t)(end - p));
    FUZZ_HOLDS(lf && lf - p < COMMAND_LINE_MAX);
    size_t n = (size_t)(lf - p);
    enum verb verb = command_verb(p, n, &rest);
    if (verb == VERB_XCLIENT)
      FUZZ_HOLDS(client_parse(p + rest, n - rest, &client));
    else if (verb == VERB_XNOTE)
      FUZZ_HOLDS(command_note(p + rest, n - rest, &note) &&
                 strcmp(note.key, "queued") && strcmp(note.key, "delivered") &&
                 strcmp(note.key, "refused"));
    else if (verb == VERB_BDAT)
      FUZZ_HOLDS(command_bdat(p + rest, n - rest, &bytes, &last) && last);
    else
      FUZZ_HOLDS(
          (verb == VERB_MAIL || verb == VERB_RCPT) &&
          command_envelope(verb, p + rest, n - rest, ADDRESS_LAX, &command));
    mails += verb == VERB_MAIL;
    recipients += verb == VERB_RCPT;
    bodies += verb == VERB_BDAT;
    p = lf + 1;
  }
  FUZZ_HOLDS(mails == 1 && bodies == 1 && recipients == replay->recipients &&
             recipients);
}

/* Up to the first NUL a control file, behind it what comes out. */
int
LLVMFuzzerTestOneInput(uint8_t const *data, size_t n)
{
  static struct jobrecord record;
  static struct replay replay;
  static char text[JOBRECORD_TEXT_MAX];
  uint8_t const *nul = n ? memchr(data, 0, n) : NULL;
  size_t control = nul ? (size_t)(nul - data) : n;
  if (control > sizeof text)
    return 0;
  memcpy(text, data, control);
  if (jobrecord_parse(&record, text, control))
    return 0;
  FUZZ_HOLDS(replay_build(&replay, &record, "50.x", 3, "postmaster"));
  check_text(&replay);
  stralloc left = STRALLOC_ZERO;
  size_t count;
  if (nul)
    replay_take(&replay, (char const *)nul + 1, n - control - 1);
  FUZZ_HOLDS(replay_left(&replay, REPLAY_LATER | REPLAY_NEVER, &left, &count));
  FUZZ_HOLDS(count <= replay.recipients && !count == !left.len);
  enum replay_outcome outcome = replay_outcome(&replay);
  if (replay.answered == replay.recipients + 2 || replay_is_settled(&replay))
    FUZZ_HOLDS((outcome == REPLAY_DONE) == !count);
  stralloc_free(&left);
  return 0;
}
