#include "deliver/smtpsession.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <skalibs/types.h>

#include "deliver/smtpclient.h"

#define PATIENCE 1
#define PATIENCE_END 4 /* for the message: the server has work to do */
#define PIECE 4096
#define LINES_MAX 100 /* of a reply to EHLO */

/* The connection is closed, by us if not by the server. */
static bool
is_over(int code)
{
  return code == -1 || code == 421;
}

static int
done(struct smtpsession *session, int code)
{
  if (code == 421)
    smtpwire_close(&session->wire);
  if (is_over(code))
    session->state = SMTPSESSION_CLOSED;
  return code;
}

static int
read_reply(struct smtpsession *session, unsigned int patience)
{
  return done(session,
              smtpwire_reply(&session->wire, session->reply, patience));
}

static int
ask(struct smtpsession *session, char const *command)
{
  if (smtpwire_puts(&session->wire, command) == -1)
    return done(session, -1);
  return read_reply(session, PATIENCE);
}

/* " A B C " of a keyword's arguments. */
static void
keep_attributes(char *out, char const *arguments)
{
  snprintf(out, SMTPSESSION_LINE_MAX, " %.500s ", arguments);
}

static void
take_offer(struct smtpsession *session, char const *text)
{
  static struct {
    char const *keyword;
    unsigned int offer;
  } const known[] = {{"8BITMIME", SMTPSESSION_8BITMIME},
                     {"PIPELINING", SMTPSESSION_PIPELINING},
                     {"SIZE", SMTPSESSION_SIZE},
                     {"SMTPUTF8", SMTPSESSION_SMTPUTF8},
                     {"STARTTLS", SMTPSESSION_STARTTLS},
                     {"XCLIENT", SMTPSESSION_XCLIENT},
                     {"XFORWARD", SMTPSESSION_XFORWARD}};
  size_t n = strcspn(text, " ");
  char const *arguments = text + n + strspn(text + n, " ");
  unsigned int offer = 0;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strlen(known[i].keyword) == n &&
        !strncasecmp(text, known[i].keyword, n))
      offer = known[i].offer;
  session->offers |= offer;
  if (offer == SMTPSESSION_XCLIENT)
    keep_attributes(session->attributes[0], arguments);
  else if (offer == SMTPSESSION_XFORWARD)
    keep_attributes(session->attributes[1], arguments);
  else if (offer == SMTPSESSION_SIZE &&
           !uint640_scan(arguments, &session->size_most))
    session->size_most = 0;
}

/* EHLO or LHLO, and what is offered; HELO if there is no such thing. */
static int
greet(struct smtpsession *session)
{
  char command[SMTPSESSION_LINE_MAX];
  bool more = true;
  int code = -1;
  session->offers = 0;
  session->size_most = 0;
  snprintf(command, sizeof command, "%s %.255s\r\n",
           session->is_lmtp ? "LHLO" : "EHLO", session->name);
  if (smtpwire_puts(&session->wire, command) == -1)
    return done(session, -1);
  for (int line = 0; more; line++) {
    code = smtpwire_line(&session->wire, session->reply, PATIENCE, &more);
    if (code == -1)
      return done(session, -1);
    if (line == LINES_MAX) {
      session->wire.error = "the server's reply is too long";
      smtpwire_close(&session->wire);
      return done(session, -1);
    }
    if (code == 250 && line && strlen(session->reply) > 4)
      take_offer(session, session->reply + 4);
  }
  if (code < 500 || session->is_lmtp)
    return done(session, code);
  snprintf(command, sizeof command, "HELO %.255s\r\n", session->name);
  return ask(session, command);
}

static int
fail(struct smtpsession *session, char const *error)
{
  smtpwire_close(&session->wire);
  session->wire.error = error;
  return done(session, -1);
}

/* STARTTLS, where it is offered and wanted. 250 if the session may go on. */
static int
secure(struct smtpsession *session)
{
  bool verify = session->tls == SMTPSESSION_TLS_VERIFIED;
  bool offered = session->offers & SMTPSESSION_STARTTLS;
  if (session->tls == SMTPSESSION_TLS_NEVER || session->is_clear ||
      *session->target == '/' || (!offered && !verify))
    return 250;
  if (!offered)
    return fail(session, "the server does not offer TLS");
  int code = ask(session, "STARTTLS\r\n");
  if (is_over(code))
    return code;
  if (code != 220)
    return verify ? fail(session, "the server refuses TLS") : 250;
  if (smtpwire_secure(&session->wire, session->target, verify) == -1) {
    session->is_clear = !verify;
    return done(session, -1);
  }
  return greet(session);
}

static int
connect_once(struct smtpsession *session)
{
  session->told = (struct client){0};
  if (smtpwire_connect(&session->wire, session->target) == -1)
    return done(session, -1);
  int code = read_reply(session, PATIENCE);
  if (code == 220)
    code = greet(session);
  if (code == 250)
    code = secure(session);
  if (code == 250)
    session->state = SMTPSESSION_IDLE;
  return code;
}

static int
connect_anew(struct smtpsession *session)
{
  session->is_clear = false;
  int code = connect_once(session);
  if (code == -1 && session->is_clear)
    code = connect_once(session);
  return code;
}

/* 250, or a code as others give. */
static int
say_client(struct smtpsession *session, struct client const *client)
{
  struct smtpclient lines;
  if (!session->is_client || !(session->offers & SMTPSESSION_XCLIENT) ||
      !memcmp(&session->told, client, sizeof *client))
    return 250;
  smtpclient_xclient(&lines, session->attributes[0], client);
  for (size_t i = 0; i < lines.count; i++) {
    int code = ask(session, lines.line[i]);
    if (code != 220)
      return code;
  }
  session->told = *client;
  return lines.count ? greet(session) : 250;
}

static int
say_mail(struct smtpsession *session, struct smtpsession_mail const *mail)
{
  char text[ADDRESS_MAX + 128], size[32] = "";
  struct smtpclient lines = {.count = 0};
  bool is_piped = session->offers & SMTPSESSION_PIPELINING;
  int code = 250;
  if (session->offers & SMTPSESSION_XFORWARD)
    smtpclient_xforward(&lines, session->attributes[1], mail->client,
                        mail->ident);
  for (size_t i = 0; i < lines.count; i++) {
    code = is_piped ? smtpwire_puts(&session->wire, lines.line[i])
                    : ask(session, lines.line[i]);
    if (is_over(code))
      return done(session, code);
  }
  if (mail->size && session->offers & SMTPSESSION_SIZE)
    snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)mail->size);
  snprintf(text, sizeof text, "MAIL FROM:<%s>%s%s%s\r\n", mail->sender.text,
           session->offers & SMTPSESSION_8BITMIME ? " BODY=8BITMIME" : "",
           mail->is_utf8 ? " SMTPUTF8" : "", size);
  if (smtpwire_puts(&session->wire, text) == -1)
    return done(session, -1);
  for (size_t i = 0; is_piped && i < lines.count; i++) {
    code = read_reply(session, PATIENCE);
    if (is_over(code))
      return code;
  }
  return read_reply(session, PATIENCE);
}

/* What needs no server to be refused. */
static int
refuse(struct smtpsession *session, char const *reply, int code)
{
  strcpy(session->reply, reply);
  return code;
}

static int
try_begin(struct smtpsession *session, struct smtpsession_mail const *mail)
{
  int code = session->state == SMTPSESSION_CLOSED ? connect_anew(session) : 250;
  if (code == 250)
    code = say_client(session, mail->client);
  if (code != 250) {
    smtpwire_close(&session->wire);
    session->state = SMTPSESSION_CLOSED;
    if (code >= 500) /* of the operator's making: none of the message's */
      session->reply[0] = '4';
    return code >= 500 ? code - 100 : code;
  }
  if (mail->is_utf8 && !(session->offers & SMTPSESSION_SMTPUTF8))
    return refuse(session, "553 5.6.7 the next server takes ASCII only", 553);
  if (session->size_most && mail->size > session->size_most)
    return refuse(session, "552 5.3.4 too big for the next server", 552);
  code = say_mail(session, mail);
  if (code >= 200 && code < 300)
    session->state = SMTPSESSION_OPEN;
  return code;
}

int
smtpsession_begin(struct smtpsession *session,
                  struct smtpsession_mail const *mail)
{
  if (session->state != SMTPSESSION_CLOSED && smtpwire_stale(&session->wire)) {
    smtpwire_close(&session->wire);
    session->state = SMTPSESSION_CLOSED;
  }
  bool is_used = session->state != SMTPSESSION_CLOSED;
  int code = try_begin(session, mail);
  if (is_used && session->state == SMTPSESSION_CLOSED)
    code = try_begin(session, mail);
  return code;
}

int
smtpsession_rcpt(struct smtpsession *session, struct address const *recipient)
{
  char text[ADDRESS_MAX + 32];
  for (size_t i = 0; i < recipient->length; i++)
    if (recipient->text[i] & 0x80 && !(session->offers & SMTPSESSION_SMTPUTF8))
      return refuse(session, "553 5.6.7 the next server takes ASCII only", 553);
  snprintf(text, sizeof text, "RCPT TO:<%s>\r\n", recipient->text);
  return ask(session, text);
}

int
smtpsession_data(struct smtpsession *session)
{
  int code = ask(session, "DATA\r\n");
  session->body = (struct smtpbody){0};
  if (code == 354)
    session->state = SMTPSESSION_DATA;
  return code;
}

int
smtpsession_piece(struct smtpsession *session, char const *bytes, size_t n)
{
  char text[SMTPBODY_ROOM(PIECE)];
  while (n) {
    size_t part = n < PIECE ? n : PIECE;
    size_t used = smtpbody_piece(&session->body, bytes, part, text);
    if (smtpwire_put(&session->wire, text, used) == -1)
      return done(session, -1);
    bytes += part;
    n -= part;
  }
  return 0;
}

int
smtpsession_end(struct smtpsession *session)
{
  char text[SMTPBODY_END_MAX];
  size_t n = smtpbody_end(&session->body, text);
  if (smtpwire_put(&session->wire, text, n) == -1)
    return done(session, -1);
  session->state = SMTPSESSION_IDLE;
  return read_reply(session, PATIENCE_END);
}

int
smtpsession_next(struct smtpsession *session)
{
  return read_reply(session, PATIENCE_END);
}

void
smtpsession_reset(struct smtpsession *session)
{
  /* Nothing but an end of the connection tells that a message has none. */
  if (session->state == SMTPSESSION_DATA) {
    smtpwire_close(&session->wire);
    session->state = SMTPSESSION_CLOSED;
  } else if (session->state == SMTPSESSION_OPEN) {
    session->state = SMTPSESSION_IDLE;
    if (ask(session, "RSET\r\n") != 250) {
      smtpwire_close(&session->wire);
      session->state = SMTPSESSION_CLOSED;
    }
  }
}

void
smtpsession_quit(struct smtpsession *session)
{
  if (session->state == SMTPSESSION_IDLE &&
      smtpwire_puts(&session->wire, "QUIT\r\n") == 0)
    smtpwire_flush(&session->wire);
  smtpwire_close(&session->wire);
  session->state = SMTPSESSION_CLOSED;
}
