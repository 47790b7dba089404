#include "smtpd/smtp.h"

#include <string.h>
#include <strings.h>

#include <skalibs/types.h>

#include "lib/ascii.h"

struct name {
  char const *text;
  enum smtp_verb verb;
};

static struct name const names[] = {
    {"HELO", SMTP_HELO},         {"EHLO", SMTP_EHLO},
    {"MAIL", SMTP_MAIL},         {"RCPT", SMTP_RCPT},
    {"DATA", SMTP_DATA},         {"BDAT", SMTP_BDAT},
    {"RSET", SMTP_RSET},         {"NOOP", SMTP_NOOP},
    {"VRFY", SMTP_VRFY},         {"EXPN", SMTP_EXPN},
    {"HELP", SMTP_HELP},         {"ETRN", SMTP_ETRN},
    {"TURN", SMTP_TURN},         {"QUIT", SMTP_QUIT},
    {"GET", SMTP_HTTP},          {"POST", SMTP_HTTP},
    {"HEAD", SMTP_HTTP},         {"PUT", SMTP_HTTP},
    {"DELETE", SMTP_HTTP},       {"TRACE", SMTP_HTTP},
    {"OPTIONS", SMTP_HTTP},      {"CONNECT", SMTP_HTTP},
    {"PATCH", SMTP_HTTP},        {"PRI", SMTP_HTTP},
    {"STARTTLS", SMTP_STARTTLS}, {"XCLIENT", SMTP_XCLIENT},
    {"AUTH", SMTP_AUTH},
};

static bool
has_control(char const *line, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (ascii_is_control(line[i]) && line[i] != '\t')
      return true;
  return false;
}

enum smtp_verb
smtp_verb(char const *line, size_t n, size_t *rest, size_t *argument_bytes)
{
  size_t start = 0;
  while (n && (ascii_is_blank(line[n - 1]) || line[n - 1] == '\r'))
    n--;
  while (start < n && ascii_is_blank(line[start]))
    start++;
  size_t end = start;
  while (end < n && !ascii_is_blank(line[end]))
    end++;
  *rest = end;
  while (*rest < n && ascii_is_blank(line[*rest]))
    ++*rest;
  *argument_bytes = n - *rest;
  if (has_control(line, n))
    return SMTP_INVALID;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strlen(names[i].text) == end - start &&
        !strncasecmp(line + start, names[i].text, end - start))
      return names[i].verb;
  return SMTP_UNKNOWN;
}

static bool
is_key(struct parameter const *parameter, char const *key)
{
  return strlen(key) == parameter->key_bytes &&
         !strncasecmp(parameter->key, key, parameter->key_bytes);
}

static bool
is_value(struct parameter const *parameter, char const *value)
{
  return strlen(value) == parameter->value_bytes &&
         !strncasecmp(parameter->value, value, parameter->value_bytes);
}

/* Digits only; more than a number holds is more than any limit. */
static enum smtp_parameters
judge_size(struct parameter const *parameter, uint64_t limit)
{
  uint64_t size = 0;
  if (!parameter->value_bytes || parameter->value_bytes > 20)
    return SMTP_PARAMETERS_INVALID;
  for (size_t i = 0; i < parameter->value_bytes; i++) {
    unsigned int digit = (unsigned char)parameter->value[i] - '0';
    if (digit > 9)
      return SMTP_PARAMETERS_INVALID;
    if (__builtin_mul_overflow(size, 10, &size) ||
        __builtin_add_overflow(size, digit, &size))
      size = UINT64_MAX;
  }
  return limit && size > limit ? SMTP_PARAMETERS_TOO_BIG : SMTP_PARAMETERS_OK;
}

static enum smtp_parameters
invalid_unless(bool valid)
{
  return valid ? SMTP_PARAMETERS_OK : SMTP_PARAMETERS_INVALID;
}

static enum smtp_parameters
judge_mail(struct parameter const *parameter, uint64_t limit, bool auth)
{
  bool valued = parameter->value != NULL;
  if (is_key(parameter, "SIZE"))
    return valued ? judge_size(parameter, limit) : SMTP_PARAMETERS_INVALID;
  if (is_key(parameter, "BODY") && valued &&
      (is_value(parameter, "7BIT") || is_value(parameter, "8BITMIME")))
    return SMTP_PARAMETERS_OK;
  if (is_key(parameter, "SMTPUTF8") && !valued)
    return SMTP_PARAMETERS_OK;
  if (is_key(parameter, "RET"))
    return invalid_unless(
        valued && (is_value(parameter, "FULL") || is_value(parameter, "HDRS")));
  if (is_key(parameter, "ENVID"))
    return invalid_unless(valued && parameter->value_bytes);
  if (auth && is_key(parameter, "AUTH"))
    return invalid_unless(valued && parameter->value_bytes);
  return SMTP_PARAMETERS_UNKNOWN;
}

enum smtp_parameters
smtp_mail_parameters(struct envelope_command const *mail, uint64_t limit,
                     bool auth)
{
  enum smtp_parameters result = SMTP_PARAMETERS_OK;
  for (size_t i = 0; i < mail->parameters && !result; i++)
    result = judge_mail(mail->parameter + i, limit, auth);
  return result;
}

enum smtp_parameters
smtp_rcpt_parameters(struct envelope_command const *rcpt)
{
  for (size_t i = 0; i < rcpt->parameters; i++) {
    struct parameter const *parameter = rcpt->parameter + i;
    if (!is_key(parameter, "NOTIFY") && !is_key(parameter, "ORCPT"))
      return SMTP_PARAMETERS_UNKNOWN;
    if (!parameter->value || !parameter->value_bytes)
      return SMTP_PARAMETERS_INVALID;
  }
  return SMTP_PARAMETERS_OK;
}

struct text {
  char *bytes;
  size_t used, size;
  bool full;
};

static void
append(struct text *text, char const *bytes, size_t n)
{
  if (n > text->size - text->used) {
    text->full = true;
    return;
  }
  memcpy(text->bytes + text->used, bytes, n);
  text->used += n;
}

size_t
smtp_format(char const *verb, struct envelope_command const *command, char *out,
            size_t size)
{
  struct text text = {out, 0, size, false};
  append(&text, verb, strlen(verb));
  append(&text, ":<", 2);
  append(&text, command->address.text, command->address.length);
  append(&text, ">", 1);
  for (size_t i = 0; i < command->parameters; i++) {
    struct parameter const *parameter = command->parameter + i;
    append(&text, " ", 1);
    append(&text, parameter->key, parameter->key_bytes);
    if (!parameter->value)
      continue;
    append(&text, "=", 1);
    append(&text, parameter->value, parameter->value_bytes);
  }
  append(&text, "\n", 1);
  return text.full ? 0 : text.used;
}

/* Whether text begins with class.d.d, as RFC 3463 section 2 has it. */
static bool
has_enhanced(char const *text, char class)
{
  if (text[0] != class || text[1] != '.')
    return false;
  size_t subject = strspn(text + 2, "0123456789");
  if (!subject || subject > 3 || text[2 + subject] != '.')
    return false;
  size_t detail = strspn(text + 3 + subject, "0123456789");
  char end = text[3 + subject + detail];
  return detail && detail <= 3 && (end == ' ' || !end);
}

void
smtp_enhance(char const *answer, char *out, size_t size)
{
  struct text text = {out, 0, size - 1, false};
  char class[] = " 0.0.0 ";
  char const *rest = answer[3] == ' ' ? answer + 4 : answer + 3;
  class[1] = answer[0];
  if (answer[0] != '3' && !has_enhanced(rest, answer[0])) {
    append(&text, answer, 3);
    append(&text, class, strlen(class));
    answer = rest;
  }
  append(&text, answer, strnlen(answer, text.size - text.used));
  out[text.used] = 0;
}
