#include "smtpd/dialect.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "smtpd/smtp.h"

/* Of the verbs: SMTP_UNKNOWN has its letter, too. */
static char const letters[] = {
    [SMTP_UNKNOWN] = 'U', [SMTP_INVALID] = 'Y',  [SMTP_HTTP] = 'G',
    [SMTP_HELO] = 'H',    [SMTP_EHLO] = 'E',     [SMTP_MAIL] = 'M',
    [SMTP_RCPT] = 'R',    [SMTP_DATA] = 'D',     [SMTP_BDAT] = 'B',
    [SMTP_RSET] = 'Z',    [SMTP_NOOP] = 'N',     [SMTP_VRFY] = 'V',
    [SMTP_EXPN] = 'X',    [SMTP_HELP] = 'P',     [SMTP_ETRN] = 'K',
    [SMTP_TURN] = 'O',    [SMTP_STARTTLS] = 'T', [SMTP_XCLIENT] = 'C',
    [SMTP_AUTH] = 'A',    [SMTP_QUIT] = 'Q',
};

struct text {
  char const *from, *end;
};

static void
add_letter(struct dialect_letters *self, char letter)
{
  bool repeats = letter == 'R' || letter == 'B';
  if (repeats && self->used && self->text[self->used - 1] == letter)
    return;
  if (self->used < DIALECT_COMMANDS_MAX)
    self->text[self->used++] = letter;
  else
    self->text[self->used] = '-';
}

/* U, L, C or X, as a word of letters is spelled. */
static char
case_of(char const *word, size_t n)
{
  size_t upper = 0;
  for (size_t i = 0; i < n; i++)
    upper += word[i] >= 'A' && word[i] <= 'Z';
  if (upper == n)
    return 'U';
  if (!upper)
    return 'L';
  return upper == 1 && *word >= 'A' && *word <= 'Z' ? 'C' : 'X';
}

static void
note_case(char *seen, char now)
{
  if (!*seen)
    *seen = now;
  else if (*seen != now)
    *seen = 'X';
}

static void
note_line_end(struct dialect *self, char const *line, size_t n)
{
  if (n > 1 && line[n - 2] == '\r')
    self->crlf = true;
  else
    self->lf = true;
}

static bool
is_word(struct text text, char const *word)
{
  size_t n = (size_t)(text.end - text.from);
  return *word && n == strlen(word) && !strncasecmp(text.from, word, n);
}

static bool
is_ip(struct text text)
{
  unsigned char address[16];
  char copy[INET6_ADDRSTRLEN];
  size_t n = (size_t)(text.end - text.from);
  if (n >= sizeof copy || memchr(text.from, 0, n))
    return false;
  memcpy(copy, text.from, n);
  copy[n] = 0;
  return inet_pton(AF_INET, copy, address) == 1 ||
         inet_pton(AF_INET6, copy, address) == 1;
}

/* What is between the brackets of an address literal. */
static struct text
inside(struct text literal)
{
  struct text text = {literal.from + 1, literal.end - 1};
  if (text.end - text.from > 5 && !strncasecmp(text.from, "IPv6:", 5))
    text.from += 5;
  return text;
}

static char const *
name_of(struct dialect const *self, struct text helo)
{
  bool has_dot = false;
  if (is_word(helo, self->me) || is_word(helo, self->address))
    return "own";
  if (helo.end - helo.from > 2 && *helo.from == '[' && helo.end[-1] == ']') {
    struct text text = inside(helo);
    if (is_word(text, self->address))
      return "own";
    return is_ip(text) ? "lit" : "odd";
  }
  if (is_ip(helo))
    return "ip";
  for (char const *p = helo.from; p < helo.end; p++) {
    has_dot = has_dot || *p == '.';
    if (!ascii_is_alnum(*p) && !strchr(".-_", *p))
      return "odd";
  }
  return helo.from == helo.end ? "odd" : has_dot ? "fqdn" : "name";
}

/* The end of a path in brackets, which may have both in quotes; NULL: none. */
static char const *
path_end(struct text text)
{
  bool quoted = false;
  for (char const *p = text.from; p < text.end; p++)
    if (*p == '\\' && quoted && p + 1 < text.end)
      p++;
    else if (*p == '"')
      quoted = !quoted;
    else if (*p == '>' && !quoted)
      return p + 1;
  return NULL;
}

static char
key_letter(struct text key)
{
  static struct {
    char const *name;
    char letter;
  } const keys[] = {{"SIZE", 'S'}, {"BODY", 'B'},  {"SMTPUTF8", 'U'},
                    {"RET", 'R'},  {"ENVID", 'E'}, {"AUTH", 'A'}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (is_word(key, keys[i].name))
      return keys[i].letter;
  return 'O';
}

/* The parameters of MAIL, parted by blanks. */
static void
note_keys(struct dialect *self, struct text text)
{
  size_t used = 0;
  while (used < DIALECT_KEYS_MAX) {
    while (text.from < text.end && ascii_is_blank(*text.from))
      text.from++;
    struct text key = {text.from, text.from};
    if (text.from == text.end)
      break;
    while (text.from < text.end && !ascii_is_blank(*text.from))
      text.from++;
    while (key.end < text.from && *key.end != '=')
      key.end++;
    self->keys[used++] = key_letter(key);
  }
  self->keys[used] = 0;
}

static void
note_mail(struct dialect *self, struct text text)
{
  bool blank = false;
  self->path = "odd";
  self->keys[0] = 0;
  if (text.end - text.from < 5 || strncasecmp(text.from, "FROM:", 5) != 0)
    return;
  note_case(&self->from, case_of(text.from, 4));
  for (text.from += 5; text.from < text.end && ascii_is_blank(*text.from);
       text.from++)
    blank = true;
  if (text.from == text.end)
    return;
  if (*text.from != '<') {
    self->path = "bare";
    while (text.from < text.end && !ascii_is_blank(*text.from))
      text.from++;
  } else {
    char const *end = path_end(text);
    if (!end)
      return;
    self->path = blank ? "loose" : "tight";
    text.from = end;
  }
  note_keys(self, text);
}

/* RFC 2920 section 3.1: none before EHLO has offered it, and these are the last
 * of their group. What is behind BDAT is its chunk. */
static void
note_pace(struct dialect *self, enum smtp_verb verb)
{
  bool groups = verb == SMTP_MAIL || verb == SMTP_RCPT || verb == SMTP_RSET;
  if (verb == SMTP_BDAT)
    return;
  self->piped = true;
  self->rude = self->rude || !groups || !self->extended;
}

void
dialect_start(struct dialect *self, char const *me, char const *address)
{
  *self = (struct dialect){.me = me, .address = address};
}

void
dialect_command(struct dialect *self, char const *line, size_t n, bool more)
{
  size_t rest, bytes, start = 0;
  size_t length = n - (n && line[n - 1] == '\n');
  note_line_end(self, line, n);
  while (length && length < n && line[length - 1] == '\r')
    length--;
  enum smtp_verb verb = smtp_verb(line, length, &rest, &bytes);
  struct text argument = {line + rest, line + rest + bytes};
  add_letter(&self->message, letters[verb]);
  add_letter(&self->session, letters[verb]);
  while (start < length && ascii_is_blank(line[start]))
    start++;
  size_t end = start;
  while (end < length && !ascii_is_blank(line[end]))
    end++;
  if (verb != SMTP_UNKNOWN && verb != SMTP_INVALID && verb != SMTP_HTTP)
    note_case(&self->verbs, case_of(line + start, end - start));
  if (more)
    note_pace(self, verb);
  if (verb == SMTP_EHLO)
    self->extended = true;
  if (verb == SMTP_EHLO || verb == SMTP_HELO)
    self->name = name_of(self, argument);
  if (verb == SMTP_MAIL)
    note_mail(self, argument);
}

void
dialect_long_line(struct dialect *self, char const *line, size_t n)
{
  note_line_end(self, line, n);
  add_letter(&self->message, letters[SMTP_UNKNOWN]);
  add_letter(&self->session, letters[SMTP_UNKNOWN]);
}

void
dialect_next(struct dialect *self)
{
  memset(&self->message, 0, sizeof self->message);
}

static char const *
or_unseen(char const *text)
{
  return text && *text ? text : "-";
}

void
dialect_format(struct dialect const *self, bool session, char *out)
{
  struct dialect_letters const *said =
      session ? &self->session : &self->message;
  bool spoke = self->crlf || self->lf;
  out = stpcpy(stpcpy(out, or_unseen(said->text)), ";");
  *out++ = self->verbs ? self->verbs : '-';
  *out++ = self->from ? self->from : '-';
  *out++ = ';';
  out = stpcpy(out, self->crlf && self->lf ? "mix"
                    : self->crlf           ? "crlf"
                                           : or_unseen(self->lf ? "lf" : ""));
  out = stpcpy(stpcpy(out, ";"), or_unseen(self->path));
  out = stpcpy(stpcpy(out, ";"), or_unseen(self->name));
  out = stpcpy(stpcpy(out, ";"), or_unseen(self->keys));
  stpcpy(stpcpy(out, ";"), !spoke        ? "-"
                           : self->rude  ? "rude"
                           : self->piped ? "pipe"
                                         : "wait");
}
