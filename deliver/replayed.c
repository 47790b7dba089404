/* What comes out of the pipeline, matched with what went in. */
#include "deliver/replay.h"

#include <string.h>

#include "lib/command.h"

/* The places of MAIL and LAST among the answers; the recipients' lie between.
 */
#define MAIL_PLACE 0
#define LAST_PLACE(replay) ((replay)->recipients + 1)
#define REFUSED_ONE "554 5.0.0 a sink has refused a recipient"

static unsigned int *
code_at(struct replay *replay, size_t place)
{
  if (place == MAIL_PLACE)
    return &replay->mail_code;
  if (place == LAST_PLACE(replay))
    return &replay->last_code;
  return &replay->recipient[place - 1].code;
}

/* 2, 4 or 5: the answer's weight, what is to be tried again above all. */
static unsigned int
weight(unsigned int code)
{
  return code < 300 ? 0 : code < 500 ? 2 : 1;
}

/* Keep the first of the weightiest answers. */
static void
keep(struct replay *replay, unsigned int code, char const *text, size_t n)
{
  char *worst = replay->worst;
  unsigned int before = worst[0] ? (unsigned int)(worst[0] - '0') * 100 : 200;
  if (weight(code) <= weight(before))
    return;
  if (n > REPLAY_ANSWER_MAX)
    n = REPLAY_ANSWER_MAX;
  for (size_t i = 0; i < n; i++)
    worst[i] = (char)(text[i] < 0x20 || text[i] > 0x7e ? '?' : text[i]);
  worst[n] = 0;
}

static void
resolve(struct replay *replay, char const *text, size_t n)
{
  if (n && *text == '!') {
    text++;
    n--;
  }
  if (*text == '3') {
    text = "451 4.3.0 an answer 3xx";
    n = strlen(text);
  }
  unsigned int code = (unsigned int)(text[0] - '0') * 100 +
                      (unsigned int)(text[1] - '0') * 10 +
                      (unsigned int)(text[2] - '0');
  /* What is said after a refused MAIL is no news, nor what LAST says to
   * recipients that were all refused. */
  bool counts = replay->answered < LAST_PLACE(replay);
  for (size_t i = 0; !counts && i < replay->recipients; i++)
    counts = replay->recipient[i].code < 300;
  *code_at(replay, replay->answered++) = code;
  if (counts && (replay->answered == MAIL_PLACE + 1 || replay->mail_code < 300))
    keep(replay, code, text, n);
}

static void
resolve_with(struct replay *replay, char const *text)
{
  resolve(replay, text, strlen(text));
}

static bool
is_next(struct replay const *replay, enum verb verb)
{
  if (verb == VERB_MAIL)
    return replay->answered == MAIL_PLACE;
  return replay->answered > MAIL_PLACE && replay->answered < LAST_PLACE(replay);
}

/* A sink knows more of one recipient than the answer to LAST will say. */
static void
settle(struct replay *replay, struct note const *note, unsigned int code)
{
  struct replay_recipient *recipient = replay->recipient;
  struct replay_recipient *end = recipient + replay->recipients;
  if (replay->answered != LAST_PLACE(replay) || replay->mail_code >= 300)
    return;
  while (recipient < end && (recipient->settled || recipient->code >= 300 ||
                             recipient->bytes != note->value_bytes ||
                             memcmp(replay->addresses.s + recipient->address,
                                    note->value, recipient->bytes) != 0))
    recipient++;
  if (recipient == end)
    return;
  recipient->settled = code;
  if (code >= 300)
    keep(replay, code, REFUSED_ONE, strlen(REFUSED_ONE));
}

static void
take_note(struct replay *replay, char const *text, size_t n)
{
  struct note note;
  if (!command_note(text, n, &note))
    return;
  if (!strcmp(note.key, "queued") && note.value_bytes <= REPLAY_ID_MAX)
    strcpy(replay->queued, note.value);
  else if (!strcmp(note.key, "delivered"))
    settle(replay, &note, 250);
  else if (!strcmp(note.key, "refused"))
    settle(replay, &note, 554);
}

static void
take_line(struct replay *replay, char const *line, size_t n)
{
  size_t rest;
  switch (command_verb(line, n, &rest)) {
  case VERB_ANSWER:
    resolve(replay, line, n);
    break;
  case VERB_MAIL:
    if (is_next(replay, VERB_MAIL))
      resolve_with(replay, "250 2.1.0 Ok");
    break;
  case VERB_RCPT:
    if (is_next(replay, VERB_RCPT))
      resolve_with(replay, "450 4.2.0 no stage takes this recipient");
    break;
  case VERB_XNOTE:
    take_note(replay, line + rest, n - rest);
    break;
  case VERB_RSET:
  case VERB_XCLIENT:
  case VERB_BDAT:
  case VERB_OTHER:
    break;
  }
}

static enum replay_state
broken(struct replay *replay, char const *reason)
{
  replay->reason = reason;
  return REPLAY_BROKEN;
}

enum replay_state
replay_take(struct replay *replay, char const *bytes, size_t n)
{
  size_t taken;
  for (; n; bytes += taken, n -= taken) {
    enum answers_result result =
        answers_feed(&replay->answers, bytes, n, &taken);
    if (result == ANSWERS_BAD)
      return broken(replay, "what comes out is no stream");
    if (result == ANSWERS_LINE && replay->answered > LAST_PLACE(replay) &&
        command_is_answer(replay->answers.line, replay->answers.used))
      return broken(replay, "an answer to no command");
    if (result == ANSWERS_LINE)
      take_line(replay, replay->answers.line, replay->answers.used);
    else if (result == ANSWERS_LAST && replay->answered == LAST_PLACE(replay))
      resolve_with(replay, replay->queued[0]
                               ? "250 2.6.0 queued"
                               : "451 4.3.0 no stage takes the message");
  }
  return replay->answered > LAST_PLACE(replay) ? REPLAY_ANSWERED
                                               : REPLAY_WAITING;
}

/* What one recipient hears in the end. */
static unsigned int
final_code(struct replay const *replay,
           struct replay_recipient const *recipient)
{
  if (recipient->settled)
    return recipient->settled;
  if (replay->mail_code >= 300)
    return replay->mail_code;
  return recipient->code >= 300 ? recipient->code : replay->last_code;
}

enum replay_outcome
replay_outcome(struct replay const *replay)
{
  enum replay_outcome outcome = REPLAY_DONE;
  for (size_t i = 0; i < replay->recipients; i++) {
    unsigned int code = final_code(replay, replay->recipient + i);
    if (weight(code) == 2)
      return REPLAY_DEFERRED;
    if (weight(code) == 1)
      outcome = REPLAY_REFUSED;
  }
  return outcome;
}

unsigned int
replay_fate(struct replay const *replay, size_t i)
{
  static unsigned int const fates[] = {0, REPLAY_NEVER, REPLAY_LATER};
  struct replay_recipient const *recipient = replay->recipient + i;
  if (replay->answered <= LAST_PLACE(replay) && !recipient->settled)
    return REPLAY_LATER;
  return fates[weight(final_code(replay, recipient))];
}

bool
replay_is_settled(struct replay const *replay)
{
  for (size_t i = 0; i < replay->recipients; i++)
    if (!replay->recipient[i].settled)
      return false;
  return replay->recipients > 0;
}

int
replay_left(struct replay const *replay, unsigned int fates, stralloc *out,
            size_t *count)
{
  *count = 0;
  for (size_t i = 0; i < replay->recipients; i++) {
    struct replay_recipient const *recipient = replay->recipient + i;
    if (!(replay_fate(replay, i) & fates))
      continue;
    if ((out->len && !stralloc_catb(out, "\t", 1)) ||
        !stralloc_catb(out, replay->addresses.s + recipient->address,
                       recipient->bytes))
      return 0;
    ++*count;
  }
  return stralloc_ready(out, 1);
}
