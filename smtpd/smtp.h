/* SMTP commands as they come over the wire. Pure. */
#ifndef TRAPLINE_SMTPD_SMTP_H
#define TRAPLINE_SMTPD_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/command.h"

enum smtp_verb {
  SMTP_UNKNOWN,
  SMTP_INVALID, /* a NUL or another control character in the line */
  SMTP_HTTP,    /* a request line of HTTP */
  SMTP_HELO,
  SMTP_EHLO,
  SMTP_MAIL,
  SMTP_RCPT,
  SMTP_DATA,
  SMTP_BDAT,
  SMTP_RSET,
  SMTP_NOOP,
  SMTP_VRFY,
  SMTP_EXPN,
  SMTP_HELP,
  SMTP_ETRN,
  SMTP_TURN,
  SMTP_STARTTLS,
  SMTP_XCLIENT,
  SMTP_AUTH,
  SMTP_QUIT,
};

/* The verb of a line of n bytes without its line end, or with CRs of it; *rest
 * is the offset of its argument, blanks dropped at both ends, *argument_bytes
 * its length. */
enum smtp_verb smtp_verb(char const *line, size_t n, size_t *rest,
                         size_t *argument_bytes);

enum smtp_parameters {
  SMTP_PARAMETERS_OK,
  SMTP_PARAMETERS_UNKNOWN, /* 555 */
  SMTP_PARAMETERS_INVALID, /* 501 */
  SMTP_PARAMETERS_TOO_BIG, /* 552: SIZE= over the limit */
};

/* Judge the parameters of MAIL: SIZE (against limit bytes, 0: none), BODY,
 * SMTPUTF8, RET, ENVID, and AUTH where it is offered; and of RCPT: NOTIFY,
 * ORCPT. */
enum smtp_parameters smtp_mail_parameters(struct envelope_command const *mail,
                                          uint64_t limit, bool auth);
enum smtp_parameters smtp_rcpt_parameters(struct envelope_command const *rcpt);

/*
 * Write "VERB KEYWORD:<address> parameters\n" as the stream has it, verb
 * "MAIL FROM" or "RCPT TO". Returns its length, or 0 if it is longer than
 * size bytes.
 */
size_t smtp_format(char const *verb, struct envelope_command const *command,
                   char *out, size_t size);

/* Where an enhanced status code (RFC 3463) is missing behind the three digits
 * of an answer, put one of its class in: out has room for size bytes, the
 * answer is cut to fit. */
void smtp_enhance(char const *answer, char *out, size_t size);

#endif
