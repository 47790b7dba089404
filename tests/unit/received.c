#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters/received.h"

#define MOMENT 1795175000 /* Fri, 20 Nov 2026 11:43:20 UTC */

struct text {
  size_t used;
  char bytes[300000];
};

static struct text text;
static struct client client;
static struct envelope envelope;
static struct received received = {
    .client = &client, .envelope = &envelope, .me = "mx.trap.example"};

static void
put(void *context, char const *bytes, size_t n)
{
  struct text *to = context;
  if (n > sizeof to->bytes - 1 - to->used)
    n = sizeof to->bytes - 1 - to->used;
  memcpy(to->bytes + to->used, bytes, n);
  to->used += n;
}

static char const *
header(void)
{
  memset(&text, 0, sizeof text);
  received_write(&received, put, &text);
  return text.bytes;
}

static void
set_sender(char const *address, size_t n)
{
  struct address sender = {.length = n};
  memcpy(sender.text, address, n);
  envelope_reset(&envelope);
  envelope_set_sender(&envelope, &sender);
}

static void
add_recipient(char const *address, char const *parameters)
{
  char line[4 * ADDRESS_MAX];
  struct envelope_command rcpt;
  int n = snprintf(line, sizeof line, "TO:<%s>%s", address, parameters);
  if (!command_envelope(VERB_RCPT, line, (size_t)n, ADDRESS_LAX, &rcpt) ||
      !envelope_add(&envelope, &rcpt))
    printf("# no recipient: %s\n", line);
}

static void
start(void)
{
  static struct client const known = {.addr = "192.0.2.1",
                                      .name = "mail.sender.example",
                                      .helo = "sender.example",
                                      .proto = "ESMTP",
                                      .login = "joe"};
  setenv("TZ", "UTC0", 1);
  tzset();
  client = known;
  received.mask = false;
  received.time = MOMENT;
  set_sender("a@sender.example", 16);
}

static void
test_plain(void)
{
  start();
  add_recipient("user@trap.example", "");
  tap_is_string(header(),
                "Received: from sender.example (mail.sender.example "
                "[192.0.2.1]) by mx.trap.example (trapline/" VERSION
                ") with ESMTP ident=joe MAIL_FROM=<a@sender.example> "
                "RCPT_TO=<user@trap.example>; Fri, 20 Nov 2026 11:43:20 "
                "+0000\n",
                "a header");
  add_recipient("\"a b\"@trap.example", " NOTE=ham NOTE=eggs");
  add_recipient("c@trap.example", " NOTE=ham");
  tap_ok(strstr(header(), " RCPT_TO=<user@trap.example> "
                          "RCPT_TO=<?a?b?@trap.example> "
                          "RCPT_TO=<c@trap.example>; ") != NULL,
         "all recipients");
  received.mask = true;
  tap_ok(strstr(header(), "> NOTES=ham,eggs; Fri, ") != NULL,
         "their notes instead");
  tap_ok(!strstr(text.bytes, "RCPT_TO") && !strstr(text.bytes, "trap.example>"),
         "... and no recipient");
}

static void
test_unknown(void)
{
  static struct client const nobody;
  start();
  client = nobody;
  set_sender("", 0);
  add_recipient("u", "");
  received.mask = true;
  tap_is_string(header(),
                "Received: from unknown (unknown [unknown]) by mx.trap.example "
                "(trapline/" VERSION ") with unknown ident=unknown "
                "MAIL_FROM=<> NOTES=; Fri, 20 Nov 2026 11:43:20 +0000\n",
                "nothing known, the null sender, no note");
}

static void
test_zone(void)
{
  start();
  add_recipient("u", "");
  setenv("TZ", "XXX-5:30", 1);
  tzset();
  tap_ok(strstr(header(), "; Fri, 20 Nov 2026 17:13:20 +0530\n") != NULL,
         "the date is in local time");
  setenv("TZ", "XXX3", 1);
  tzset();
  tap_ok(strstr(header(), "; Fri, 20 Nov 2026 08:43:20 -0300\n") != NULL,
         "... west of Greenwich too");
}

/* No byte of a client breaks out of its place. */
static void
test_every_byte(void)
{
  static char const delimiters[] = "()<>;\"\\ ";
  int held = 1;
  for (int c = 1; c < 256; c++) {
    char wanted[64];
    start();
    add_recipient("u", "");
    int safe = c > 0x20 && c < 0x7f && !strchr(delimiters, c);
    char const shown = (char)(safe ? c : '?');
    snprintf(client.helo, sizeof client.helo, "h%c", c);
    snprintf(client.name, sizeof client.name, "n%c", c);
    snprintf(client.login, sizeof client.login, "l%c", c);
    set_sender((char const[]){'s', (char)c}, 2);
    add_recipient("u", "");
    header();
    snprintf(wanted, sizeof wanted, "from h%c (n%c [192.", shown, shown);
    held &= strstr(text.bytes, wanted) != NULL;
    snprintf(wanted, sizeof wanted, "ident=l%c MAIL_FROM=<s%c> ", shown, shown);
    held &= strstr(text.bytes, wanted) != NULL;
    held &= strchr(text.bytes, '\n') == text.bytes + text.used - 1;
  }
  tap_ok(held, "every byte that a client may choose");
}

/* The longest line, without its LF; -1 if a line behind the first one does not
 * begin with a TAB, or the text does not end in LF. */
static long
longest_line(void)
{
  size_t longest = 0;
  for (char const *line = text.bytes; *line;) {
    size_t n = strcspn(line, "\n");
    if (!line[n] || (line != text.bytes && *line != '\t'))
      return -1;
    longest = n > longest ? n : longest;
    line += n + 1;
  }
  return (long)longest;
}

/* The header with every fold taken back to a blank. */
static void
unfold(char *out)
{
  size_t used = 0;
  for (size_t i = 0; i < text.used; i++)
    if (text.bytes[i] == '\n' && text.bytes[i + 1] == '\t')
      out[used++] = ' ', i++;
    else
      out[used++] = text.bytes[i];
  out[used] = 0;
}

/* A word that ends at column 997, 998 or would end at 999. */
static void
test_fold_edge(void)
{
  char local[ADDRESS_MAX];
  start();
  add_recipient("x", "");
  size_t before = (size_t)(strstr(header(), " RCPT_TO=") - text.bytes);
  size_t frame = strlen(" RCPT_TO=<>");
  for (size_t end = RECEIVED_LINE_MAX - 1; end <= RECEIVED_LINE_MAX + 1;
       end++) {
    start();
    memset(local, 'x', end - before - frame);
    local[end - before - frame] = 0;
    add_recipient(local, "");
    add_recipient("last", "");
    header();
    size_t first = strcspn(text.bytes, "\n");
    tap_is_number((long long)first,
                  (long long)(end > RECEIVED_LINE_MAX ? before : end),
                  "the end of the first line");
    tap_ok(longest_line() <= RECEIVED_LINE_MAX, "... no line passes the limit");
  }
}

/* Every length of address, several of each. */
static void
test_fold_lengths(void)
{
  static char folded[sizeof text.bytes];
  char address[ADDRESS_MAX + 1];
  int held = 1;
  for (size_t n = 1; n <= ADDRESS_MAX; n++) {
    size_t found = 0;
    start();
    memset(address, 'x', n);
    address[n] = 0;
    set_sender(address, n);
    for (int i = 0; i < 5; i++)
      add_recipient(address, "");
    header();
    long longest = longest_line();
    unfold(folded);
    held &= longest > 0 && longest <= RECEIVED_LINE_MAX;
    held &= folded[strcspn(folded, "\n") + 1] == 0;
    for (char *p = folded; (p = strstr(p, " RCPT_TO=<")); found++)
      p += strlen(" RCPT_TO=<") + n;
    held &= found == 5;
  }
  tap_ok(held, "addresses of every length, folded and whole");
}

static void
test_many(void)
{
  start();
  memset(client.helo, 'h', CLIENT_VALUE_MAX);
  memset(client.name, 'n', CLIENT_VALUE_MAX);
  memset(client.login, 'l', CLIENT_VALUE_MAX);
  for (int i = 0; i < 1000; i++) {
    char address[32];
    snprintf(address, sizeof address, "user%04d@trap.example", i);
    add_recipient(address, "");
  }
  header();
  tap_ok(longest_line() > 900 && longest_line() <= RECEIVED_LINE_MAX,
         "a thousand recipients, folded");
  tap_ok(strstr(text.bytes, "RCPT_TO=<user0999@trap.example>; Fri,") != NULL,
         "... the last one ends them");
}

/* Every day of a year, in the words of the C library. */
static void
test_dates(void)
{
  int right = 0;
  start();
  add_recipient("u", "");
  setenv("TZ", "NST3:30NDT,M3.2.0,M11.1.0", 1);
  for (int day = 0; day < 365; day++) {
    char date[64];
    received.time = 1767225599 + day * (time_t)86461;
    strftime(date, sizeof date, "; %a, %d %b %Y %H:%M:%S %z\n",
             localtime(&received.time));
    right += strstr(header(), date) != NULL;
  }
  unsetenv("TZ");
  tap_is_number(right, 365, "dates of a year, a zone with half an hour");
}

static void
test_many_notes(void)
{
  start();
  for (int i = 0; i < 30; i++) {
    char parameters[64];
    snprintf(parameters, sizeof parameters, " NOTE=note-%027d", i);
    add_recipient("u", parameters);
  }
  received.mask = true;
  header();
  tap_ok(longest_line() > 0 && longest_line() <= RECEIVED_LINE_MAX,
         "more notes than have room");
  tap_ok(strstr(text.bytes, ",note-000000000000000000000000014;") != NULL,
         "... those that have are whole");
}

static void
test_tls(void)
{
  start();
  add_recipient("u", "");
  received.tls_version = "TLSv1.3";
  received.tls_cipher = "TLS_AES_256_GCM_SHA384";
  tap_ok(strstr(header(), " with ESMTP (TLSv1.3 TLS_AES_256_GCM_SHA384) ident="
                          "joe ") != NULL,
         "TLS, version and cipher");
  received.tls_cipher = "";
  tap_ok(strstr(header(), " with ESMTP (TLSv1.3) ident=joe ") != NULL,
         "TLS, version alone");
  received.tls_version = "";
  tap_ok(strstr(header(), " with ESMTP ident=joe ") != NULL, "no TLS");
}

int
main(void)
{
  test_plain();
  test_unknown();
  test_zone();
  test_every_byte();
  test_fold_edge();
  test_fold_lengths();
  test_many();
  test_dates();
  test_many_notes();
  test_tls();
  return tap_done();
}
