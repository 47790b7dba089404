#include "filters/bouncerule.h"

#include <stddef.h>
#include <string.h>

#include "lib/ascii.h"

#define VALUE_MAX 512

/* What a header shows, each one bit. */
enum trait {
  DAEMON = 1 << 0, /* the sender */
  REPORT = 1 << 1,
  AUTO_SUBMITTED = 1 << 2,
  AUTO_REPLIED = 1 << 3,
  AUTOREPLY = 1 << 4,
  PRECEDENCE_REPLY = 1 << 5,
  PRECEDENCE_BULK = 1 << 6,
  FAILED_RECIPIENTS = 1 << 7,
  BOUNCE_SUBJECT = 1 << 8,
  VACATION_SUBJECT = 1 << 9,
  CHALLENGE_SUBJECT = 1 << 10,
};

/* By whom automatic mail admits that it is such. */
#define AUTOMATIC (DAEMON | AUTO_SUBMITTED | PRECEDENCE_REPLY | PRECEDENCE_BULK)

/* A rule is met by all of one set of traits, and one of the other. */
static struct rule {
  char const *name;
  unsigned int all;
  unsigned int one_of;
} const rules[] = {
    {"report", REPORT, DAEMON},
    {"failed-recipients", FAILED_RECIPIENTS, DAEMON},
    {"bounce-subject", BOUNCE_SUBJECT, DAEMON},
    {"auto-submitted", AUTO_SUBMITTED, DAEMON},
    {"auto-replied", 0, AUTO_REPLIED},
    {"autoreply", 0, AUTOREPLY},
    {"precedence", 0, PRECEDENCE_REPLY},
    {"vacation", VACATION_SUBJECT, AUTOMATIC},
    {"challenge", CHALLENGE_SUBJECT, AUTOMATIC},
};

#define RULES (sizeof rules / sizeof *rules)

/* Of a subject in lower case. A ^ stands for its start. */
static struct shape {
  char const *text;
  enum trait trait;
} const shapes[] = {
    {"^delivery status notification", BOUNCE_SUBJECT},
    {"^failure notice", BOUNCE_SUBJECT},
    {"^mail delivery failed", BOUNCE_SUBJECT},
    {"^mail delivery failure", BOUNCE_SUBJECT},
    {"^mail system error", BOUNCE_SUBJECT},
    {"^returned mail", BOUNCE_SUBJECT},
    {"^undeliverable", BOUNCE_SUBJECT},
    {"^undelivered mail", BOUNCE_SUBJECT},
    {"^unzustellbar", BOUNCE_SUBJECT},
    {"^warning: could not send message", BOUNCE_SUBJECT},
    {"^warning: message", BOUNCE_SUBJECT},
    {"delivery failure", BOUNCE_SUBJECT},
    {"delivery has failed", BOUNCE_SUBJECT},
    {"returned to sender", BOUNCE_SUBJECT},
    {"^abwesen", VACATION_SUBJECT},
    {"^auto:", VACATION_SUBJECT},
    {"^auto reply", VACATION_SUBJECT},
    {"^auto-reply", VACATION_SUBJECT},
    {"^auto response", VACATION_SUBJECT},
    {"^auto-response", VACATION_SUBJECT},
    {"^automatic reply", VACATION_SUBJECT},
    {"^automatic response", VACATION_SUBJECT},
    {"^automatische antwort", VACATION_SUBJECT},
    {"^automatisch antwoord", VACATION_SUBJECT},
    {"^autoreply", VACATION_SUBJECT},
    {"^autosvar", VACATION_SUBJECT},
    {"^resposta autom", VACATION_SUBJECT},
    {"^respuesta autom", VACATION_SUBJECT},
    {"^risposta automatica", VACATION_SUBJECT},
    {"ponse automatique", VACATION_SUBJECT},
    {"away from my mail", VACATION_SUBJECT},
    {"on vacation", VACATION_SUBJECT},
    {"out of office", VACATION_SUBJECT},
    {"out of the office", VACATION_SUBJECT},
    {"vacation reply", VACATION_SUBJECT},
    {"^[confirm", CHALLENGE_SUBJECT},
    {"^[verify", CHALLENGE_SUBJECT},
    {"^confirm your message", CHALLENGE_SUBJECT},
    {"^please confirm your e-mail", CHALLENGE_SUBJECT},
    {"^please confirm your email", CHALLENGE_SUBJECT},
    {"^please confirm your message", CHALLENGE_SUBJECT},
    {"^verify your message", CHALLENGE_SUBJECT},
    {"^your message awaits", CHALLENGE_SUBJECT},
    {"^your message requires", CHALLENGE_SUBJECT},
    {"confirmation required to deliver", CHALLENGE_SUBJECT},
    {"sender verification", CHALLENGE_SUBJECT},
    {"verification required to deliver", CHALLENGE_SUBJECT},
};

static bool
starts_with(char const *text, char const *prefix)
{
  return !strncmp(text, prefix, strlen(prefix));
}

/* Whether the value is this word, perhaps with parameters or a comment. */
static bool
is_word(char const *value, char const *word)
{
  size_t n = strlen(word);
  return starts_with(value, word) && (!value[n] || strchr(" ;(", value[n]));
}

static unsigned int
judge_content_type(char const *value)
{
  /* Reports of abuse have this type too, and are no bounces. */
  if (!is_word(value, "multipart/report") || strstr(value, "feedback-report"))
    return 0;
  return REPORT;
}

static unsigned int
judge_auto_submitted(char const *value)
{
  if (!*value || is_word(value, "no"))
    return 0;
  return AUTO_SUBMITTED | (is_word(value, "auto-replied") ? AUTO_REPLIED : 0U);
}

static unsigned int
judge_precedence(char const *value)
{
  if (is_word(value, "auto_reply"))
    return PRECEDENCE_REPLY;
  return is_word(value, "bulk") || is_word(value, "junk") ? PRECEDENCE_BULK : 0;
}

static unsigned int
judge_autoreply(char const *value)
{
  return is_word(value, "no") ? 0 : AUTOREPLY;
}

static unsigned int
judge_failed(char const *value)
{
  return *value ? FAILED_RECIPIENTS : 0;
}

static unsigned int
judge_subject(char const *value)
{
  unsigned int traits = 0;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    char const *text = shapes[i].text;
    if (*text == '^' ? starts_with(value, text + 1)
                     : strstr(value, text) != NULL)
      traits |= shapes[i].trait;
  }
  return traits;
}

static struct judge {
  char const *name;
  unsigned int (*judge)(char const *value);
} const judges[] = {
    {"Content-Type", judge_content_type},
    {"Auto-Submitted", judge_auto_submitted},
    {"Precedence", judge_precedence},
    {"X-Autoreply", judge_autoreply},
    {"X-Autorespond", judge_autoreply},
    {"X-Auto-Reply", judge_autoreply},
    {"X-Failed-Recipients", judge_failed},
    {"Subject", judge_subject},
};

static unsigned int
read_traits(struct header const *header)
{
  struct header_field field;
  unsigned int traits = 0;
  size_t at = 0;
  while (header_next(header, &at, &field)) {
    for (size_t i = 0; i < sizeof judges / sizeof *judges; i++) {
      char value[VALUE_MAX];
      if (!header_is(&field, judges[i].name))
        continue;
      header_value(&field, value, sizeof value);
      traits |= judges[i].judge(value);
      break;
    }
  }
  return traits;
}

bool
bouncerule_is_daemon(struct address const *sender)
{
  char mailbox[ADDRESS_MAX + 1];
  size_t at;
  if (!sender->length)
    return true;
  address_mailbox(sender, mailbox, &at);
  mailbox[at] = 0;
  return !strcmp(mailbox, "mailer-daemon") || !strcmp(mailbox, "postmaster");
}

int
bouncerule_set(char const *names, unsigned int *set)
{
  unsigned int found = 0;
  for (;;) {
    size_t n = strcspn(names, ",");
    size_t i = 0;
    while (i < RULES &&
           (strlen(rules[i].name) != n || strncmp(rules[i].name, names, n)))
      i++;
    if (i == RULES)
      return 0;
    found |= 1U << i;
    if (!names[n])
      break;
    names += n + 1;
  }
  *set = found;
  return 1;
}

char const *
bouncerule_find(struct header const *header, bool from_daemon, unsigned int set)
{
  unsigned int traits = read_traits(header) | (from_daemon ? DAEMON : 0U);
  for (size_t i = 0; i < RULES; i++)
    if (set >> i & 1 && (traits & rules[i].all) == rules[i].all &&
        traits & rules[i].one_of)
      return rules[i].name;
  return NULL;
}
