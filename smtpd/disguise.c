/* What is said in whose words. */
#include "smtpd/session.h"

#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/fnv.h"

/* The address in the last RCPT that was answered, into out. */
static void
last_recipient(struct session const *session, char *out, size_t size)
{
  struct replay const *replay = &session->replay;
  char const *end = replay->lines + replay->decided, *begin = end;
  out[0] = 0;
  while (begin > replay->lines && (begin == end || begin[-1] != '\n'))
    begin--;
  char const *open = memchr(begin, '<', (size_t)(end - begin));
  char const *close = open ? memrchr(open, '>', (size_t)(end - open)) : NULL;
  if (!close || (size_t)(close - open) > size)
    return;
  memcpy(out, open + 1, (size_t)(close - open) - 1);
  out[close - open - 1] = 0;
}

/* Another number for each message, which tells nothing. */
static uint64_t
number(struct session const *session)
{
  uint64_t hash = fnv_string(FNV_BASIS, session->id);
  hash = fnv_add(hash, session->messages);
  return hash ^ hash >> 29;
}

/* A reply in other words: lines, each ended by a NUL, and one more. */
static void
expand(struct session const *session, char const *reply,
       char text[PERSONA_TEXT_MAX])
{
  char to[ADDRESS_MAX + 1] = "";
  struct config const *config = &session->config;
  struct persona_rule const *rule =
      persona_find(config->persona, session->context, reply);
  bool answers_rcpt = !strcmp(session->context, "RCPT");
  struct persona_facts facts = {
      .me = config->me,
      .helo = session->client.helo,
      .ip = session->client.addr,
      .from = session->from,
      .to = to,
      .argument = session->argument,
      .argument_bytes = session->argument_bytes,
      .size_max = config->data_bytes,
      .bytes = session->body.wire_bytes,
      .starttls = starttls_offered(session),
      .auth = authbait_offered(session),
      .number = number(session),
  };
  if (answers_rcpt)
    last_recipient(session, to, sizeof to);
  persona_expand(rule, reply, &facts, text);
}

/* On its own, so that a session without a persona has no such room in its
 * stack. */
static void __attribute__((noinline))
say_otherwise(struct session *session, char const *reply)
{
  char text[PERSONA_TEXT_MAX];
  expand(session, reply, text);
  for (char const *line = text; *line; line += strlen(line) + 1)
    wire_say(&session->wire, line);
}

void
session_put(struct session *session, char const *reply)
{
  if (session_has_words(session, reply))
    say_otherwise(session, reply);
  else
    wire_say(&session->wire, reply);
}

void __attribute__((noinline))
session_log_words(struct session const *session, struct log *log,
                  char const *reply)
{
  char text[PERSONA_TEXT_MAX];
  expand(session, reply, text);
  char const *last = text;
  for (char const *line = text; *line; line += strlen(line) + 1)
    last = line;
  log_string(log, "heard", last);
}

bool
session_wants_helo(struct session *session)
{
  static char const context[] = "nohelo", reply[] = "503 5.5.1 HELO first";
  struct persona_rule const *rule =
      persona_find(session->config.persona, context, reply);
  if (session->client.helo[0] || !rule || strcasecmp(rule->context, context))
    return false;
  strcpy(session->context, context);
  session_say_junk(session, reply);
  return true;
}

void
session_answer_body(struct session *session)
{
  strcpy(session->context,
         strcasecmp(session->context, "BDAT") ? "body" : "LAST");
  session->argument_bytes = 0; /* the body came in its place */
}

bool
session_has_words(struct session const *session, char const *reply)
{
  return persona_find(session->config.persona, session->context, reply) != NULL;
}

void
session_set_context(struct session *session, char const *line, size_t n)
{
  size_t used = 0;
  while (n && ascii_is_blank(*line)) {
    line++;
    n--;
  }
  while (used < n && used + 1 < sizeof session->context &&
         ascii_is_alnum(line[used])) {
    session->context[used] = line[used];
    used++;
  }
  session->context[used] = 0;
  if (!used)
    strcpy(session->context, "none");
}
