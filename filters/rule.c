#include "filters/rule.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/ascii.h"

#define NOTE_OPEN "[note="

static char const *const code_names[] = {
    [RULE_OK] = "OK",
    [RULE_DENY] = "DENY",
    [RULE_DENYSOFT] = "DENYSOFT",
    [RULE_DENY_DISCONNECT] = "DENY_DISCONNECT",
    [RULE_DENYSOFT_DISCONNECT] = "DENYSOFT_DISCONNECT",
    [RULE_DECLINED] = "DECLINED",
};

#define CODES (sizeof code_names / sizeof code_names[0])

/* The readers below get what is left of the line in p..end, return where they
 * stopped, or NULL with *problem set. */

static char const *
skip_blanks(char const *p, char const *end)
{
  while (p < end && ascii_is_blank(*p))
    p++;
  return p;
}

static char const *
skip_word(char const *p, char const *end)
{
  while (p < end && !ascii_is_blank(*p))
    p++;
  return p;
}

static char const *
read_regex(char const *p, char const *end, struct rule *rule,
           char const **problem)
{
  rule->kind = RULE_REGEX;
  for (char const *start = ++p; p < end; p++) {
    if (*p == '\\') {
      p++;
    } else if (*p == '/' && (p + 1 == end || ascii_is_blank(p[1]))) {
      rule->key_bytes = (size_t)(p - start);
      memcpy(rule->key, start, rule->key_bytes);
      return p + 1;
    }
  }
  *problem = "regex does not end: no / followed by a blank";
  return NULL;
}

static char const *
read_domain(char const *p, char const *end, struct rule *rule,
            char const **problem)
{
  char path[ADDRESS_MAX + 1];
  char mailbox[ADDRESS_MAX + 1];
  struct address address;
  size_t at;
  char const *start = ++p;
  char const *stop = skip_word(p, end);
  rule->kind = RULE_DOMAIN;
  if (start < stop && *start == '.') {
    rule->kind = RULE_TREE;
    start++;
  }
  size_t n = (size_t)(stop - start);
  *problem = "no domain after @";
  if (!n || n > ADDRESS_MAX - 2)
    return NULL;
  /* An address is made of it, so that it is read as a recipient's domain is. */
  memcpy(path, "x@", 2);
  memcpy(path + 2, start, n);
  if (address_parse(path, n + 2, ADDRESS_LAX, &address) != n + 2)
    return NULL;
  n = address_mailbox(&address, mailbox, &at);
  if (at != 1 || n < 3)
    return NULL;
  rule->key_bytes = n - 2;
  memcpy(rule->key, mailbox + 2, n - 2);
  return stop;
}

static char const *
read_address(char const *p, char const *end, struct rule *rule,
             char const **problem)
{
  struct address address;
  size_t at;
  size_t n = address_parse(p, (size_t)(end - p), ADDRESS_LAX, &address);
  rule->kind = RULE_ADDRESS;
  if (!n || !address.length) {
    *problem = "PATTERN is no address, @domain or /regex/";
    return NULL;
  }
  rule->key_bytes = address_mailbox(&address, rule->key, &at);
  return p + n;
}

static char const *
read_code(char const *p, char const *end, struct rule *rule,
          char const **problem)
{
  char const *stop = skip_word(p, end);
  size_t n = (size_t)(stop - p);
  if (!n) {
    *problem = "no CODE";
    return NULL;
  }
  for (size_t i = 0; i < CODES; i++) {
    if (n == strlen(code_names[i]) && !memcmp(p, code_names[i], n)) {
      rule->code = (enum rule_code)i;
      return stop;
    }
  }
  *problem = "unknown CODE: want OK, DENY, DENYSOFT, DENY_DISCONNECT, "
             "DENYSOFT_DISCONNECT or DECLINED, in capitals";
  return NULL;
}

/* p: behind "[note=". */
static char const *
read_note(char const *p, char const *end, struct rule *rule,
          char const **problem)
{
  char const *stop = memchr(p, ']', (size_t)(end - p));
  size_t n = stop ? (size_t)(stop - p) : 0;
  if (!envelope_is_note(p, n)) {
    *problem = "bad note: want [note=NAME], NAME 1 to 32 of A-Za-z0-9._-";
    return NULL;
  }
  for (size_t i = 0; i < rule->notes; i++)
    if (strlen(rule->note[i]) == n && !memcmp(rule->note[i], p, n))
      return stop + 1;
  if (rule->notes == RULE_NOTES_MAX) {
    *problem = "too many notes";
    return NULL;
  }
  memcpy(rule->note[rule->notes], p, n);
  rule->note[rule->notes++][n] = 0;
  return stop + 1;
}

static char const *
read_text(char const *p, char const *end, struct rule *rule,
          char const **problem)
{
  size_t const open = strlen(NOTE_OPEN);
  size_t n = 0;
  rule->notes = 0;
  while (p < end) {
    if ((size_t)(end - p) >= open && !strncasecmp(p, NOTE_OPEN, open)) {
      p = read_note(p + open, end, rule, problem);
      if (!p)
        return NULL;
      if (!n || ascii_is_blank(rule->text[n - 1]))
        p = skip_blanks(p, end);
    } else {
      rule->text[n++] = *p++;
    }
  }
  while (n && ascii_is_blank(rule->text[n - 1]))
    n--;
  rule->text[n] = 0;
  return p;
}

char const *
rule_trim(char const *line, size_t *n)
{
  char const *end = line + *n;
  line = skip_blanks(line, end);
  while (end > line && (ascii_is_blank(end[-1]) || end[-1] == '\r'))
    end--;
  *n = (size_t)(end - line);
  return line;
}

enum rule_result
rule_parse(char const *line, size_t n, struct rule *rule, char const **problem)
{
  char const *p = rule_trim(line, &n);
  char const *end = p + n;
  if (p == end || *p == '#')
    return RULE_NONE;
  if (n > RULE_LINE_MAX) {
    *problem = "line too long";
    return RULE_BAD;
  }
  for (char const *c = p; c < end; c++) {
    if (ascii_is_control(*c) && *c != '\t') {
      *problem = "control character";
      return RULE_BAD;
    }
  }
  if (*p == '/')
    p = read_regex(p, end, rule, problem);
  else if (*p == '@')
    p = read_domain(p, end, rule, problem);
  else
    p = read_address(p, end, rule, problem);
  if (p)
    p = read_code(skip_blanks(p, end), end, rule, problem);
  if (p)
    p = read_text(skip_blanks(p, end), end, rule, problem);
  if (!p)
    return RULE_BAD;
  rule->key[rule->key_bytes] = 0;
  return RULE_READ;
}

char const *
rule_code_name(enum rule_code code)
{
  return code_names[code];
}

/* Bytes of the enhanced status code (RFC 3463) of this class that the text
 * begins with, or 0. */
static size_t
status_bytes(char const *text, char class)
{
  size_t n = 1;
  if (text[0] != class)
    return 0;
  for (int part = 0; part < 2; part++) {
    if (text[n++] != '.')
      return 0;
    size_t digits = strspn(text + n, "0123456789");
    if (digits < 1 || digits > 3)
      return 0;
    n += digits;
  }
  return !text[n] || ascii_is_blank(text[n]) ? n : 0;
}

int
rule_answer(struct rule const *rule, char *out)
{
  int soft =
      rule->code == RULE_DENYSOFT || rule->code == RULE_DENYSOFT_DISCONNECT;
  char const *hang_up = rule->code == RULE_DENY_DISCONNECT ||
                                rule->code == RULE_DENYSOFT_DISCONNECT
                            ? "!"
                            : "";
  if (rule->code == RULE_OK || rule->code == RULE_DECLINED)
    return 0;
  char const *text = rule->text;
  char const *status = soft ? "4.2.1" : "5.1.1";
  int status_length = 5;
  size_t own = status_bytes(text, *status);
  if (own) {
    status = text;
    status_length = (int)own;
    text = skip_blanks(text + own, text + strlen(text));
  }
  if (!*text)
    text = soft ? "Mailbox temporarily unavailable" : "User unknown";
  snprintf(out, RULE_ANSWER_MAX, "%s%s %.*s %s", hang_up, soft ? "450" : "550",
           status_length, status, text);
  return 1;
}
