#include "smtpd/persona.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/ascii.h"
#include "lib/clock.h"
#include "lib/control.h"

#define NAME_MAX_BYTES 64
#define ARROW " -> "

/* Text with an end. */
struct text {
  size_t used, size; /* one byte is kept for the NUL */
  char *bytes;
};

static void
put_bytes(struct text *text, char const *bytes, size_t n)
{
  for (size_t i = 0; i < n && text->used + 1 < text->size; i++) {
    char c = bytes[i];
    text->bytes[text->used++] =
        (char)(ascii_is_control(c) || ascii_is_8bit(c) ? '?' : c);
  }
}

static void
put(struct text *text, char const *string)
{
  if (string)
    put_bytes(text, string, strlen(string));
}

/* Whether a client that hears theirs does what he does with ours: a reply may
 * say no in another way, but not yes for no, where that matters. */
static bool
same_sense(struct persona_rule const *rule)
{
  static char const *const idle[] = {"NOOP", "VRFY", "EXPN", "HELP",   "ETRN",
                                     "TURN", "GET",  "POST", "CONNECT"};
  char ours = rule->ours[0], theirs = rule->theirs[0];
  for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
    if (!strcasecmp(rule->context, idle[i]))
      return true;
  return ours == theirs || (ours >= '4' && theirs >= '4');
}

/* Take one line apart. Whether it is a rule. */
static bool
parse(char *line, struct persona_rule *rule)
{
  char *arrow = strstr(line, ARROW);
  char *blank = strpbrk(line, " \t");
  if (!arrow || !blank || blank >= arrow)
    return false;
  *arrow = 0;
  *blank = 0;
  rule->context = line;
  rule->ours = blank + 1 + strspn(blank + 1, " \t");
  rule->theirs = arrow + sizeof ARROW - 1;
  char const *code = rule->theirs;
  return ascii_is_digit(code[0]) && ascii_is_digit(code[1]) &&
         ascii_is_digit(code[2]) && code[3] == ' ' &&
         ascii_is_digit(rule->ours[0]) && same_sense(rule);
}

static bool
is_name(char const *name)
{
  size_t n = strlen(name);
  for (size_t i = 0; i < n; i++)
    if (!ascii_is_alnum(name[i]) && !strchr("._-", name[i]))
      return false;
  return n <= NAME_MAX_BYTES && name[0] != '.';
}

static int
read_rules(struct persona *persona, char const *file)
{
  char *line[PERSONA_RULES_MAX + 1];
  int n = control_list(file, line, PERSONA_RULES_MAX + 1);
  for (int i = 0; i < n; i++) {
    struct persona_rule *rule = persona->rule + persona->rules++;
    rule->context = line[i];
    if (!parse(line[i], rule)) {
      control_invalid(file, "a line is not CONTEXT REPLY -> OTHER REPLY, both "
                            "positive or both not");
      return 0;
    }
  }
  return n >= 0;
}

int
persona_read(struct persona **persona)
{
  char name[NAME_MAX_BYTES + 1];
  char file[sizeof "personas/" + NAME_MAX_BYTES] = "personas/";
  *persona = NULL;
  if (control_line("persona", NULL, name, sizeof name) < 0)
    return 0;
  if (!name[0])
    return 1;
  if (!is_name(name)) {
    control_invalid("persona", "not the name of a file in control/personas");
    return 0;
  }
  strcat(file, name);
  *persona = calloc(1, sizeof **persona);
  if (!*persona)
    control_invalid("persona", "no memory");
  return *persona && read_rules(*persona, file);
}

void
persona_free(struct persona *persona)
{
  if (persona && persona->rules)
    free((char *)(uintptr_t)persona->rule[0].context);
  free(persona);
}

struct persona_rule const *
persona_find(struct persona const *persona, char const *context,
             char const *reply)
{
  for (size_t i = 0; persona && i < persona->rules; i++) {
    struct persona_rule const *rule = persona->rule + i;
    if ((!strcmp(rule->context, "*") || !strcasecmp(rule->context, context)) &&
        !strncmp(reply, rule->ours, strlen(rule->ours)))
      return rule;
  }
  return NULL;
}

static void
put_number(struct text *text, uint64_t value, unsigned int base, size_t digits)
{
  static char const digit[] =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  char out[21];
  size_t at = sizeof out;
  do
    out[--at] = digit[value % base];
  while ((value /= base, value || sizeof out - at < digits) && at);
  put_bytes(text, out + at, sizeof out - at);
}

/* As Exim names its messages: time, process and fraction in base 62. */
static void
put_exim_id(struct text *text, uint64_t number)
{
  struct timespec now;
  clock_utc(&now);
  put_number(text, (uint64_t)now.tv_sec, 62, 6);
  put(text, "-");
  put_number(text, number % 4194304, 62, 6);
  put(text, "-");
  put_number(text, (uint64_t)now.tv_nsec / 500000, 62, 2);
}

/* As in a Date field. */
static void
put_date(struct text *text)
{
  char out[64] = "";
  struct timespec now;
  struct tm local;
  clock_utc(&now);
  if (localtime_r(&now.tv_sec, &local))
    strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S %z", &local);
  put(text, out);
}

/* Parts of the argument: its last word; what follows "FROM:" or "TO:"; of
 * that, the first word. */
static void
put_part(struct text *text, char part, struct persona_facts const *facts)
{
  char const *from = facts->argument;
  char const *end = from + facts->argument_bytes;
  char const *colon =
      from == end ? NULL : memchr(from, ':', (size_t)(end - from));
  if (part != 'o' && colon)
    for (from = colon + 1; from < end && ascii_is_blank(*from); from++)
      ;
  if (part == 'o')
    for (from = end; from > facts->argument && !ascii_is_blank(from[-1]);
         from--)
      ;
  if (part == 'a')
    for (char const *p = from; p < end; p++)
      if (ascii_is_blank(*p))
        end = p;
  put_bytes(text, from, (size_t)(end - from));
}

/* Those that are made here. false: there is no such one. */
static bool
put_made(struct text *text, char const *name, struct persona_facts const *facts)
{
  struct timespec now;
  clock_utc(&now);
  if (!strcmp(name, "arg"))
    put_bytes(text, facts->argument, facts->argument_bytes);
  else if (!strcmp(name, "option") || !strcmp(name, "path") ||
           !strcmp(name, "address"))
    put_part(text, name[0], facts);
  else if (!strcmp(name, "size"))
    put_number(text, facts->size_max, 10, 1);
  else if (!strcmp(name, "bytes"))
    put_number(text, facts->bytes, 10, 1);
  else if (!strcmp(name, "hex"))
    put_number(text, facts->number & 0xffffffffffff, 16, 12);
  else if (!strcmp(name, "eximid"))
    put_exim_id(text, facts->number);
  else if (!strcmp(name, "date"))
    put_date(text);
  else if (!strcmp(name, "seconds"))
    put_number(text, (uint64_t)now.tv_sec, 10, 1);
  else if (!strcmp(name, "number"))
    put_number(text, 1000 + facts->number % 30000, 10, 1);
  else
    return false;
  return true;
}

/* What the variable stands for. false: there is no such one. */
static bool
put_variable(struct text *text, char const *name, char const *reply,
             struct persona_facts const *facts)
{
  struct {
    char const *name, *value;
  } const texts[] = {{"me", facts->me},
                     {"helo", facts->helo},
                     {"ip", facts->ip},
                     {"from", facts->from},
                     {"to", facts->to},
                     {"text", strlen(reply) > 4 ? reply + 4 : ""},
                     {"starttls", facts->starttls ? "STARTTLS" : ""},
                     {"auth", facts->auth ? "AUTH LOGIN PLAIN" : ""}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (!strcmp(texts[i].name, name)) {
      put(text, texts[i].value);
      return true;
    }
  return put_made(text, name, facts);
}

/* The text of one line of theirs, up to "\n" or the end. */
static char const *
expand_line(struct text *text, char const *from, char const *reply,
            struct persona_facts const *facts)
{
  while (*from && strncmp(from, "\\n", 2) != 0) {
    char name[16];
    size_t n = 0;
    if (*from == '$')
      for (; n + 1 < sizeof name && ascii_is_alnum(from[1 + n]); n++)
        name[n] = from[1 + n];
    name[n] = 0;
    if (n && put_variable(text, name, reply, facts))
      from += 1 + n;
    else
      put_bytes(text, from++, 1);
  }
  return *from ? from + 2 : NULL;
}

void
persona_expand(struct persona_rule const *rule, char const *reply,
               struct persona_facts const *facts, char *out)
{
  struct text text = {0, PERSONA_TEXT_MAX - 1, out};
  char const *from = rule->theirs + 4;
  size_t last = 0;
  while (from) {
    size_t line = text.used;
    put_bytes(&text, rule->theirs, 3);
    put(&text, "-");
    size_t empty = text.used;
    from = expand_line(&text, from, reply, facts);
    if (text.used == empty && (from || last != line)) {
      text.used = line; /* a line that came out empty */
      continue;
    }
    last = line;
    text.bytes[text.used++] = 0;
  }
  text.bytes[last + 3] = ' ';
  text.bytes[text.used] = 0;
}
