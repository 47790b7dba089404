#include "filters/received.h"

#include <stdlib.h>
#include <string.h>

#include "lib/digits.h"

/* The longest word: a marker, and an address or a client's value. */
#define WORD_MAX (sizeof "MAIL_FROM=<>;" + ADDRESS_MAX)
#define TEXT_BYTES 4096
#define DATE_BYTES sizeof "Sat, 21 Nov 2026 13:27:02 +0000"

static char const day_names[][4] = {"Sun", "Mon", "Tue", "Wed",
                                    "Thu", "Fri", "Sat"};
static char const month_names[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct writer {
  void (*put)(void *context, char const *bytes, size_t n);
  void *context;
  size_t column;
  size_t used;
  char text[TEXT_BYTES];
};

struct word {
  size_t used;
  char text[WORD_MAX];
};

static void
flush(struct writer *writer)
{
  if (writer->used)
    writer->put(writer->context, writer->text, writer->used);
  writer->used = 0;
}

static void
add(struct writer *writer, char const *bytes, size_t n)
{
  if (writer->used + n > sizeof writer->text)
    flush(writer);
  memcpy(writer->text + writer->used, bytes, n);
  writer->used += n;
  writer->column += n;
}

static void
add_word(struct writer *writer, char const *bytes, size_t n)
{
  if (writer->column && writer->column + 1 + n > RECEIVED_LINE_MAX) {
    add(writer, "\n", 1);
    writer->column = 0;
    add(writer, "\t", 1);
  } else if (writer->column)
    add(writer, " ", 1);
  add(writer, bytes, n);
}

static void
add_text(struct writer *writer, char const *text)
{
  add_word(writer, text, strlen(text));
}

static void
word_text(struct word *word, char const *text)
{
  size_t n = strlen(text);
  memcpy(word->text + word->used, text, n);
  word->used += n;
}

static bool
is_safe(char c)
{
  switch (c) {
  case '(':
  case ')':
  case '<':
  case '>':
  case ';':
  case '"':
  case '\\':
    return false;
  default:
    return c > 0x20 && c < 0x7f;
  }
}

/* What the client said, at most ADDRESS_MAX bytes of it. */
static void
word_client(struct word *word, char const *bytes, size_t n)
{
  if (!n) {
    bytes = "unknown";
    n = strlen(bytes);
  }
  for (size_t i = 0; i < n && i < ADDRESS_MAX; i++) {
    char c = bytes[i];
    word->text[word->used++] = (char)(is_safe(c) ? c : '?');
  }
}

static void
add_client(struct writer *writer, char const *before, char const *value,
           char const *after)
{
  struct word word = {0};
  word_text(&word, before);
  word_client(&word, value, strlen(value));
  word_text(&word, after);
  add_word(writer, word.text, word.used);
}

static void
add_address(struct writer *writer, char const *marker, char const *address,
            size_t n, char const *after)
{
  struct word word = {0};
  word_text(&word, marker);
  if (n)
    word_client(&word, address, n);
  word_text(&word, after);
  add_word(writer, word.text, word.used);
}

static void
add_recipients(struct writer *writer, struct received const *received)
{
  struct envelope_cursor cursor = {0};
  struct envelope_recipient recipient, next;
  int more = envelope_next(received->envelope, &cursor, &recipient);
  while (more) {
    more = envelope_next(received->envelope, &cursor, &next);
    add_address(writer, "RCPT_TO=<", recipient.address, recipient.address_bytes,
                more ? ">" : ">;");
    recipient = next;
  }
}

static void
add_notes(struct writer *writer, struct received const *received)
{
  char text[sizeof "NOTES=;" + RECEIVED_LINE_MAX / 2] = "NOTES=";
  size_t n = strlen(text);
  n += envelope_notes(received->envelope, text + n, sizeof text - n - 1);
  for (size_t i = 0; i < n; i++)
    if (text[i] == ' ')
      text[i] = ',';
  text[n++] = ';';
  add_word(writer, text, n);
}

static void
add_tls(struct writer *writer, struct received const *received)
{
  char const *cipher = received->tls_cipher;
  if (!received->tls_version || !*received->tls_version)
    return;
  bool both = cipher && *cipher;
  add_client(writer, "(", received->tls_version, both ? "" : ")");
  if (both)
    add_client(writer, "", cipher, ")");
}

/* As RFC 5322 section 3.3 has it, local time. strftime() does it in forty times
 * the instructions. */
static void
format_date(time_t seconds, char date[DATE_BYTES])
{
  struct tm local = {0};
  localtime_r(&seconds, &local);
  long zone_minutes = labs(local.tm_gmtoff) / 60;
  char *p = stpcpy(date, day_names[local.tm_wday]);
  p = stpcpy(p, ", ");
  p = digits_put(p, (uint64_t)local.tm_mday, 2);
  *p++ = ' ';
  p = stpcpy(p, month_names[local.tm_mon]);
  *p++ = ' ';
  p = digits_put(p, (uint64_t)local.tm_year + 1900, 4);
  *p++ = ' ';
  p = digits_put(p, (uint64_t)local.tm_hour, 2);
  *p++ = ':';
  p = digits_put(p, (uint64_t)local.tm_min, 2);
  *p++ = ':';
  p = digits_put(p, (uint64_t)local.tm_sec, 2);
  *p++ = ' ';
  *p++ = local.tm_gmtoff < 0 ? '-' : '+';
  p = digits_put(p, (uint64_t)(zone_minutes / 60 * 100 + zone_minutes % 60), 4);
  *p = 0;
}

void
received_write(struct received const *received,
               void (*put)(void *context, char const *bytes, size_t n),
               void *context)
{
  struct writer writer = {.put = put, .context = context};
  struct client const *client = received->client;
  char date[DATE_BYTES];
  add_text(&writer, "Received: from");
  add_client(&writer, "", client->helo, "");
  add_client(&writer, "(", client->name, "");
  add_client(&writer, "[", client->addr, "])");
  add_text(&writer, "by");
  add_text(&writer, received->me);
  add_text(&writer, "(trapline/" VERSION ") with");
  add_client(&writer, "", client->proto, "");
  add_tls(&writer, received);
  add_client(&writer, "ident=", client->login, "");
  add_address(&writer, "MAIL_FROM=<", received->envelope->sender,
              received->envelope->sender_bytes, ">");
  if (received->mask)
    add_notes(&writer, received);
  else
    add_recipients(&writer, received);
  format_date(received->time, date);
  add_text(&writer, date);
  add(&writer, "\n", 1);
  flush(&writer);
}
