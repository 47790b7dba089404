/* deliver-smtp: a sink that forwards by SMTP or LMTP. deliver-smtp(8). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/stralloc.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "deliver/smtpsession.h"
#include "lib/control.h"
#include "lib/envelope.h"
#include "lib/exitcode.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/process.h"
#include "lib/smtptls.h"
#include "lib/stage.h"

#define USAGE                                                                  \
  "deliver-smtp [-lx] [-c | -s] [-n name] [-t seconds] [-h helo] "             \
  "host:port | /socket"
#define LIMIT_MAX_S 3600
#define AWAY "451 4.4.1 the next server cannot be reached, try again later"
#define LOST "451 4.4.2 the next server is gone, try again later"
#define ODD "451 4.3.0 the next server gave an odd reply, try again later"
#define MEMORY "451 4.3.0 out of memory, try again later"
#define ID_MAX 100

struct sink {
  char const *note; /* take only recipients with this one; NULL: all */
  struct smtpsession_mail mail;
  bool has_begun;   /* MAIL was said, with whatever result */
  bool has_refused; /* no recipient of this transaction is taken: refusal */
  char refusal[SMTPWIRE_REPLY_MAX + 1];
  uint64_t bytes;
  /* Of each recipient that is taken: its outcome, the first digit of a reply,
   * its address, NUL. */
  stralloc taken;
  char name[CONTROL_VALUE_MAX + 1];
  struct smtpsession session;
};

/* What the client hears of a reply, in room for SMTPWIRE_REPLY_MAX + 1 bytes.
 */
static void
translate(struct sink const *self, int code, char const *lost, char *answer)
{
  char const *reply = code == -1 ? lost : self->session.reply;
  if (code >= 300 && code < 400)
    reply = ODD;
  strcpy(answer, reply);
  if (code == 421) /* about that connection, not about the client's */
    memcpy(answer, "451", 3);
}

/* Log a reply that is no success. recipient: NULL: for all of them. */
static void
report(struct stage *stage, char const *step, char const *recipient, int code)
{
  struct sink const *self = stage->state;
  struct log log;
  stage_log(stage, &log,
            code == -1 ? "error: connection failed"
                       : "the next server refused");
  log_string(&log, "target", self->session.target);
  log_string(&log, "at", step);
  if (recipient)
    log_string(&log, "recipient", recipient);
  if (code == -1)
    log_string(&log, "error", self->session.wire.error);
  else
    log_string(&log, "reply", self->session.reply);
  log_write(&log);
}

static bool
is_ascii(struct address const *address)
{
  for (size_t i = 0; i < address->length; i++)
    if (address->text[i] & 0x80)
      return false;
  return true;
}

static void
on_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct sink *self = stage->state;
  struct parameter const *size = command_parameter(mail, "SIZE", 0);
  char number[UINT64_FMT] = "";
  self->has_begun = self->has_refused = false;
  self->taken.len = 0;
  self->mail.client = &stage->client;
  self->mail.ident = stage->session;
  self->mail.sender = mail->address;
  self->mail.is_utf8 =
      command_parameter(mail, "SMTPUTF8", 0) || !is_ascii(&mail->address);
  if (size && size->value && size->value_bytes < sizeof number)
    memcpy(number, size->value, size->value_bytes);
  if (!uint640_scan(number, &self->mail.size))
    self->mail.size = 0;
}

static void
begin(struct stage *stage)
{
  struct sink *self = stage->state;
  self->has_begun = true;
  int code = smtpsession_begin(&self->session, &self->mail);
  if (code >= 200 && code < 300)
    return;
  report(stage, "MAIL", NULL, code);
  self->has_refused = true;
  translate(self, code, AWAY, self->refusal);
}

static void
on_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct sink *self = stage->state;
  char answer[SMTPWIRE_REPLY_MAX + 1];
  if (self->note && !envelope_has_note(rcpt, self->note))
    return;
  if (!self->has_begun)
    begin(stage);
  if (self->has_refused) {
    stage_answer(stage, self->refusal);
    return;
  }
  if (!stralloc_readyplus(&self->taken, rcpt->address.length + 2)) {
    stage_answer(stage, MEMORY);
    return;
  }
  int code = smtpsession_rcpt(&self->session, &rcpt->address);
  if (code < 200 || code >= 300)
    report(stage, "RCPT", rcpt->address.text, code);
  if (self->session.state == SMTPSESSION_CLOSED) {
    self->has_refused = true;
    strcpy(self->refusal, LOST);
  }
  translate(self, code, LOST, answer);
  stage_answer(stage, answer);
  if (answer[0] != '2')
    return;
  stralloc_catb(&self->taken, "4", 1);
  stralloc_catb(&self->taken, rcpt->address.text, rcpt->address.length + 1);
}

static void
on_body(struct stage *stage)
{
  struct sink *self = stage->state;
  char answer[SMTPWIRE_REPLY_MAX + 1];
  self->bytes = 0;
  if (!stage->taken)
    return;
  if (self->has_refused) {
    stage_answer(stage, self->refusal);
    return;
  }
  int code = smtpsession_data(&self->session);
  if (code == 354)
    return;
  report(stage, "DATA", NULL, code);
  translate(self, code, LOST, answer);
  stage_answer(stage, answer[0] == '2' ? ODD : answer);
}

static void
on_piece(struct stage *stage, char const *bytes, size_t n)
{
  struct sink *self = stage->state;
  if (!stage->taken)
    return;
  self->bytes += n;
  if (smtpsession_piece(&self->session, bytes, n) == 0)
    return;
  report(stage, "message", NULL, -1);
  stage_answer(stage, LOST);
}

/* 3: to be tried again, 2: taken, 1: refused. */
static int
weight(char const *answer)
{
  return answer[0] == '4' ? 3 : answer[0] == '2' ? 2 : 1;
}

static size_t
entry_bytes(char const *entry)
{
  return strlen(entry) + 1;
}

/* The replies to the message: one, or one for each recipient; the first of the
 * weightiest into answer. Whether all recipients fared alike. */
static bool
collect(struct stage *stage, char *answer)
{
  struct sink *self = stage->state;
  bool is_each = self->session.is_lmtp, is_alike = true;
  char one[SMTPWIRE_REPLY_MAX + 1];
  char *first = self->taken.s, *end = first + self->taken.len;
  for (char *entry = first; entry < end; entry += entry_bytes(entry)) {
    if (entry == first ||
        (is_each && self->session.state != SMTPSESSION_CLOSED)) {
      int code = entry == first ? smtpsession_end(&self->session)
                                : smtpsession_next(&self->session);
      translate(self, code, LOST, one);
      if (code < 200 || code >= 300)
        report(stage, "end", is_each ? entry + 1 : NULL, code);
    }
    *entry = one[0];
    is_alike &= *entry == *first;
    if (entry == first || weight(one) > weight(answer))
      strcpy(answer, one);
  }
  return is_alike;
}

/* Whom nothing is to be sent again to, whatever is answered in the end. */
static void
tell_outcomes(struct stage *stage)
{
  struct sink const *self = stage->state;
  char const *end = self->taken.s + self->taken.len;
  for (char const *entry = self->taken.s; entry < end;
       entry += entry_bytes(entry))
    if (*entry != '4')
      stage_note(stage, *entry == '2' ? "delivered" : "refused", entry + 1);
}

static void
log_forwarded(struct stage *stage, char const *answer)
{
  struct sink *self = stage->state;
  char const *end = self->taken.s + self->taken.len;
  uint64_t count = 0;
  struct log log;
  for (char const *entry = self->taken.s; entry < end;
       entry += entry_bytes(entry))
    count += *entry == '2';
  if (!count)
    return;
  stage_log(stage, &log, "forwarded");
  log_string(&log, "target", self->session.target);
  log_number(&log, "recipients", count);
  log_number(&log, "bytes", self->bytes);
  if (self->session.wire.tls)
    log_string(&log, "tls", smtptls_version(self->session.wire.tls));
  if (answer[0] == '2')
    log_string(&log, "reply", answer);
  log_write(&log);
}

static void
on_end(struct stage *stage)
{
  char answer[SMTPWIRE_REPLY_MAX + 1], id[ID_MAX + 1];
  if (!stage->taken)
    return;
  bool is_alike = collect(stage, answer);
  log_forwarded(stage, answer);
  if (!is_alike || (stage->passed && answer[0] == '2'))
    tell_outcomes(stage);
  if (answer[0] != '2') {
    stage_answer(stage, answer);
    return;
  }
  snprintf(id, sizeof id, "%.*s", ID_MAX, answer);
  stage_note(stage, "queued", id);
  if (!stage->passed)
    stage_answer(stage, answer);
}

static void
on_reset(struct stage *stage)
{
  struct sink *self = stage->state;
  smtpsession_reset(&self->session);
}

static char const *
host_option(char const *text)
{
  if (!*text || strpbrk(text, " \r\n"))
    option_refuse("-h", "a host's name", text);
  return text;
}

static void
read_options(int argc, char const *const *argv, struct sink *self)
{
  subgetopt options = SUBGETOPT_ZERO;
  int option;
  while ((option = subgetopt_r(argc, argv, "lxcsn:t:h:", &options)) != -1)
    if (option == 'l')
      self->session.is_lmtp = true;
    else if (option == 'x')
      self->session.is_client = true;
    else if (option == 'c')
      self->session.tls = SMTPSESSION_TLS_NEVER;
    else if (option == 's')
      self->session.tls = SMTPSESSION_TLS_VERIFIED;
    else if (option == 'n')
      self->note = option_note("-n", options.arg);
    else if (option == 't')
      self->session.wire.limit_s =
          option_number32("-t", options.arg, 1, LIMIT_MAX_S);
    else if (option == 'h')
      self->session.name = host_option(options.arg);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (argc - options.ind != 1)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  char const *target = self->session.target = argv[options.ind];
  char const *colon = strrchr(target, ':');
  if (*target != '/' && (!colon || colon == target || !colon[1]))
    option_refuse("the target", "host:port or /path", target);
}

int
main(int argc, char const *const *argv)
{
  static struct stage_handlers const handlers = {.mail = on_mail,
                                                 .rcpt = on_rcpt,
                                                 .body = on_body,
                                                 .piece = on_piece,
                                                 .end = on_end,
                                                 .reset = on_reset};
  static struct sink sink = {.session.wire = {.fd = -1, .limit_s = 60}};
  process_begin("deliver-smtp");
  read_options(argc, argv, &sink);
  if (!sink.session.name) {
    if (control_me(sink.name, sizeof sink.name) == -1)
      strerr_dief(EXIT_TEMPORARY, control_error());
    sink.session.name = sink.name;
  }
  int result = stage_run(&handlers, &sink);
  smtpsession_quit(&sink.session);
  return result;
}
