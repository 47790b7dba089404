/* What comes out of a pipeline, matched with what is expected of it. */
#include "smtpd/pipeline.h"

#include <string.h>

#include "lib/command.h"

struct answer *
pipeline_at(struct pipeline *pipeline, size_t i)
{
  return pipeline->ring + (pipeline->first + i) % PIPELINE_EXPECTED_MAX;
}

/* This is the answer to the oldest command that still expects one. */
static void
resolve(struct pipeline *pipeline, char const *text, size_t n)
{
  struct answer *answer = pipeline_at(pipeline, pipeline->answered);
  answer->hangup = false;
  pipeline->answered++;
  if (n && *text == '!') {
    answer->hangup = true;
    text++;
    n--;
  }
  if (n > PIPELINE_ANSWER_MAX)
    n = PIPELINE_ANSWER_MAX;
  for (size_t i = 0; i < n; i++)
    answer->text[i] = (char)(text[i] < 0x20 || text[i] > 0x7e ? '?' : text[i]);
  answer->text[n] = 0;
}

static void
resolve_with(struct pipeline *pipeline, char const *text)
{
  resolve(pipeline, text, strlen(text));
}

static bool
is_expected(struct pipeline *pipeline, enum expected expected)
{
  return pipeline->answered < pipeline->expected &&
         pipeline_at(pipeline, pipeline->answered)->expected == expected;
}

static void
take_answer(struct pipeline *pipeline, char const *line, size_t n)
{
  if (pipeline->answered == pipeline->expected ||
      is_expected(pipeline, EXPECT_RSET))
    pipeline_break(pipeline, "an answer to no command");
  else if (line[line[0] == '!'] == '3')
    resolve_with(pipeline, PIPELINE_TROUBLE);
  else
    resolve(pipeline, line, n);
}

static void
take_note(struct pipeline *pipeline, char const *text, size_t n)
{
  struct note note;
  if (command_note(text, n, &note) && !strcmp(note.key, "queued") &&
      note.value_bytes <= PIPELINE_ID_MAX)
    memcpy(pipeline->queued, note.value, note.value_bytes + 1);
}

static void
take_line(struct pipeline *pipeline, char const *line, size_t n)
{
  size_t rest;
  switch (command_verb(line, n, &rest)) {
  case VERB_ANSWER:
    take_answer(pipeline, line, n);
    break;
  case VERB_MAIL:
    if (is_expected(pipeline, EXPECT_MAIL) ||
        is_expected(pipeline, EXPECT_REPLAY))
      resolve_with(pipeline, "250 2.1.0 Ok");
    break;
  case VERB_RCPT:
    if (is_expected(pipeline, EXPECT_RCPT) ||
        is_expected(pipeline, EXPECT_REPLAY))
      resolve_with(pipeline, "450 4.2.0 Recipient not available");
    break;
  case VERB_RSET:
    if (is_expected(pipeline, EXPECT_RSET))
      resolve_with(pipeline, "");
    break;
  case VERB_XNOTE:
    take_note(pipeline, line + rest, n - rest);
    break;
  case VERB_XCLIENT:
  case VERB_BDAT:
  case VERB_OTHER:
    break;
  }
}

/* Nobody answered LAST: fine if a stage has said that it has the message. */
static void
take_last(struct pipeline *pipeline)
{
  if (is_expected(pipeline, EXPECT_LAST))
    resolve_with(pipeline, pipeline->queued[0]
                               ? "250 2.6.0 queued"
                               : "451 4.3.0 Unable to queue the message");
}

void
pipeline_take(struct pipeline *pipeline, char const *bytes, size_t n)
{
  while (n && !pipeline->broken) {
    size_t taken;
    switch (answers_feed(&pipeline->answers, bytes, n, &taken)) {
    case ANSWERS_MORE:
      break;
    case ANSWERS_LINE:
      take_line(pipeline, pipeline->answers.line, pipeline->answers.used);
      break;
    case ANSWERS_LAST:
      take_last(pipeline);
      break;
    case ANSWERS_BAD:
      pipeline_break(pipeline, "what comes out is no stream");
      break;
    }
    bytes += taken;
    n -= taken;
  }
}

void
pipeline_resolve_trouble(struct pipeline *pipeline)
{
  resolve_with(pipeline, PIPELINE_TROUBLE);
}
