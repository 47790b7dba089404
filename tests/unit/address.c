#include "tests/unit/tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"

#define TABLE "tests/data/addresses"

struct bytes {
  size_t n;
  char text[4096];
};

static int
hexadecimal(char c)
{
  char const *digits = "0123456789abcdef";
  char const *p = c ? strchr(digits, c) : NULL;
  return p ? (int)(p - digits) : -1;
}

/* The next column of a line, \xNN resolved; returns where it stopped. */
static char const *
column(char const *p, struct bytes *out)
{
  out->n = 0;
  while (*p && strncmp(p, "  ", 2)) {
    if (p[0] == '\\' && p[1] == 'x' && hexadecimal(p[2]) >= 0 &&
        hexadecimal(p[3]) >= 0) {
      out->text[out->n++] = (char)(hexadecimal(p[2]) * 16 + hexadecimal(p[3]));
      p += 4;
    } else {
      out->text[out->n++] = *p++;
    }
  }
  out->text[out->n] = '\0';
  return p + strspn(p, " ");
}

/* Takes the " ... " out that parts a path from its parameters. Returns the
 * bytes of the path. */
static size_t
cut_parameters(struct bytes *path)
{
  char *dots = strstr(path->text, " ... ");
  if (!dots)
    return path->n;
  memmove(dots + 1, dots + 5, path->n - (size_t)(dots - path->text) - 4);
  path->n -= 4;
  return (size_t)(dots - path->text);
}

static void
test_mailbox(struct address const *address, struct bytes const *wanted,
             char const *name)
{
  char out[ADDRESS_MAX + 1];
  size_t at;
  size_t n = address_mailbox(address, out, &at);
  tap_is_bytes(out, n, wanted->text, wanted->n, name);
  tap_ok(out[n] == '\0' && at <= n && (at == n || out[at] == '@'),
         "... ended by NUL, with its @ at %zu", at);
}

/* What stands behind the n bytes must not count. */
static void
test_truncated(struct bytes const *path, char const *name)
{
  int same = 1;
  for (size_t n = 0; n <= path->n; n++) {
    for (enum address_mode mode = ADDRESS_LAX; mode <= ADDRESS_STRICT; mode++) {
      struct address address[2] = {{0}, {0}};
      char text[4096];
      char *alone = malloc(n + 1);
      if (!alone)
        abort();
      memcpy(alone + 1, path->text, n);
      size_t taken = address_parse(alone + 1, n, mode, &address[0]);
      free(alone);
      memset(text, '>', sizeof text);
      memcpy(text, path->text, n);
      same = same && taken == address_parse(text, n, mode, &address[1]);
      memset(text + n, 'a', sizeof text - n);
      same = same && taken == address_parse(text, n, mode, &address[1]);
      same = same && !strcmp(address[0].text, address[1].text);
    }
  }
  tap_ok(same, "%s, cut at every byte", name);
}

static void
test_line(char const *line, unsigned int number)
{
  struct bytes path, taken, text, mailbox;
  char name[64];
  char const *p = column(line, &path);
  p = column(p, &taken);
  p = column(p, &text);
  column(p, &mailbox);
  size_t wanted_bytes = cut_parameters(&path);
  if (!strcmp(text.text, "<>"))
    text.n = 0;
  for (int i = 0; i < 2; i++) {
    enum address_mode mode = i ? ADDRESS_STRICT : ADDRESS_LAX;
    int wanted = !strcmp(taken.text, "both") ||
                 (mode == ADDRESS_LAX && !strcmp(taken.text, "lax"));
    struct address address = {0};
    size_t n = address_parse(path.text, path.n, mode, &address);
    snprintf(name, sizeof name, "%s:%u %s", TABLE, number,
             i ? "strict" : "lax");
    tap_is_number((long long)n, wanted ? (long long)wanted_bytes : 0, name);
    if (wanted) {
      tap_is_bytes(address.text, address.length, text.text, text.n, name);
      test_mailbox(&address, mailbox.n ? &mailbox : &text, name);
    }
  }
  test_truncated(&path, name);
}

static void
test_table(void)
{
  char line[4096];
  unsigned int number = 0;
  unsigned int cases = 0;
  FILE *table = fopen(TABLE, "r");
  if (!table) {
    tap_ok(0, "open %s: %s", TABLE, strerror(errno));
    return;
  }
  while (fgets(line, sizeof line, table)) {
    number++;
    line[strcspn(line, "\n")] = '\0';
    if (*line && *line != '#') {
      cases++;
      test_line(line, number);
    }
  }
  fclose(table);
  tap_ok(cases > 150, "%u cases in %s", cases, TABLE);
}

/* <local@domain>, or local@domain without brackets in lax mode, with parts of
 * these lengths. */
static size_t
parse_sizes(size_t local, size_t domain, enum address_mode mode,
            struct address *address)
{
  char text[4 * ADDRESS_MAX];
  size_t n = 0;
  if (mode == ADDRESS_STRICT)
    text[n++] = '<';
  memset(text + n, 'l', local);
  n += local;
  text[n++] = '@';
  memset(text + n, 'd', domain);
  n += domain;
  if (mode == ADDRESS_STRICT)
    text[n++] = '>';
  size_t taken = address_parse(text, n, mode, address);
  return taken == n ? address->length : taken;
}

static void
test_limits(void)
{
  static struct {
    size_t local, domain;
    enum address_mode mode;
    int wanted;
  } const cases[] = {
      {63, 254, ADDRESS_STRICT, 1},
      {64, 255, ADDRESS_STRICT, 1},
      {65, 255, ADDRESS_STRICT, 0},
      {64, 256, ADDRESS_STRICT, 0},
      {65, 256, ADDRESS_LAX, 1},
      {1, ADDRESS_MAX - 3, ADDRESS_LAX, 1},
      {1, ADDRESS_MAX - 2, ADDRESS_LAX, 1},
      {1, ADDRESS_MAX - 1, ADDRESS_LAX, 0},
      {ADDRESS_MAX - 3, 1, ADDRESS_LAX, 1},
      {ADDRESS_MAX - 2, 1, ADDRESS_LAX, 1},
      {ADDRESS_MAX - 1, 1, ADDRESS_LAX, 0},
      {3 * ADDRESS_MAX, 1, ADDRESS_LAX, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct address address = {0};
    char name[80];
    size_t length = cases[i].local + 1 + cases[i].domain;
    snprintf(name, sizeof name, "%zu bytes @ %zu bytes, %s", cases[i].local,
             cases[i].domain,
             cases[i].mode == ADDRESS_STRICT ? "strict" : "lax");
    tap_is_number((long long)parse_sizes(cases[i].local, cases[i].domain,
                                         cases[i].mode, &address),
                  cases[i].wanted ? (long long)length : 0, name);
  }
}

/* Only the postmaster may be without a domain, and the limit holds there. */
static void
test_long_bare(void)
{
  char text[] = "<lllllllllllllllllllllllllllllllllllllllllllllllllllllllll"
                "lllllllllllllllllll>";
  struct address address;
  tap_is_number(
      (long long)address_parse(text, sizeof text - 1, ADDRESS_STRICT, &address),
      0, "a long local part without a domain, strict");
}

static void
test_long_route(void)
{
  char text[8192];
  struct address address;
  size_t n = 0;
  text[n++] = '<';
  for (int i = 0; i < 1000; i++) {
    memcpy(text + n, "@a.bcd,", 7);
    n += 7;
  }
  text[n - 1] = ':';
  memcpy(text + n, "user@c>", 7);
  n += 7;
  tap_is_number((long long)address_parse(text, n, ADDRESS_STRICT, &address),
                (long long)n, "a route of 7000 bytes does not count");
  tap_is_string(address.text, "user@c", "... and is gone");
}

static void
test_failure_changes_nothing(void)
{
  struct address address;
  struct address before;
  memset(&address, 'x', sizeof address);
  memset(&before, 'x', sizeof before);
  address_parse("<user@a.example", 15, ADDRESS_LAX, &address);
  address_parse("<user@a.example>", 15, ADDRESS_STRICT, &address);
  tap_is_bytes(&address, sizeof address, &before, sizeof before,
               "a path that is refused leaves the address as it was");
  tap_is_number((long long)address_parse("", 0, ADDRESS_LAX, &address), 0,
                "no bytes, no path");
}

/* Whatever gets round a rule must have another mailbox. */
static void
test_one_mailbox(void)
{
  static char const *const spellings[] = {
      "<user@trap.example>",         "<USER@TRAP.EXAMPLE>",
      "<uSeR@tRaP.eXaMpLe.>",        "<\"user\"@trap.example>",
      "<\"us\\er\"@trap.example>",   "<us\\er@trap.example>",
      "<\\u\\s\\e\\r@trap.example>", "<\"\"user@trap.example>",
      "<@a,@b:user@trap.example>",   "<@trap.example:\"u\"ser@trap.example.>",
      "user@trap.example",           "  < user@trap.example. >  ",
  };
  for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
    struct address address = {0};
    char out[ADDRESS_MAX + 1];
    size_t at;
    address_parse(spellings[i], strlen(spellings[i]), ADDRESS_LAX, &address);
    address_mailbox(&address, out, &at);
    tap_is_string(out, "user@trap.example", spellings[i]);
    tap_is_number((long long)at, 4, "... its @");
  }
}

/* address_mailbox() is safe with a struct that no parse made. */
static void
test_mailbox_of_junk(void)
{
  static char const *const junk[] = {"a\\", "\"",  "\\",    "@",
                                     "a@[", "a@.", "\"a@b", "."};
  for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
    struct address address = {.length = strlen(junk[i])};
    char out[ADDRESS_MAX + 1];
    size_t at;
    memcpy(address.text, junk[i], address.length + 1);
    size_t n = address_mailbox(&address, out, &at);
    tap_ok(n <= address.length && at <= n && out[n] == '\0', "mailbox of %s",
           junk[i]);
  }
}

int
main(void)
{
  test_table();
  test_limits();
  test_long_bare();
  test_long_route();
  test_failure_changes_nothing();
  test_one_mailbox();
  test_mailbox_of_junk();
  return tap_done();
}
