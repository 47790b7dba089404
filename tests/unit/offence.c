#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/offence.h"

#define END "trap-smtpd: end session=1.2.3 ip=192.0.2.7 why=quit messages=0 "

static struct {
  char const *line;
  char const *ip; /* NULL: no offence */
  uint32_t hard;
} const cases[] = {
    {END "rcpt=0 refused=2 hard=2 commands=5 host=x helo=y", "192.0.2.7", 2},
    {"@400000004a32392b2aa21dac " END "hard=1", "192.0.2.7", 1},
    {END "hard=1", "192.0.2.7", 1},
    {END "hard=99999999999999999999 commands=1", "192.0.2.7", 1000000},
    {"trap-smtpd: end ip=2001:db8::1 hard=3", "2001:db8::1", 3},
    {"trap-smtpd: end ip=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff hard=3",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 3},
    {"trap-smtpd: end ip=unknown hard=3", "unknown", 3},
    {"trap-smtpd: end ip=\"\" hard=3", "", 3},
    {"trap-smtpd: end ip=ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555 hard=3",
     NULL, 0},
    {END "hard=0", NULL, 0},
    {END "refused=3 commands=5", NULL, 0},
    {END "hard=", NULL, 0},
    {END "hard=-1", NULL, 0},
    {END "hard=1x", NULL, 0},
    {END "hard=\"1", NULL, 0},
    {"trap-smtpd: end hard=1 ip=192.0.2.7", NULL, 0},
    {"trap-smtpd: end session=\"x\"y ip=192.0.2.7 hard=1", NULL, 0},
    {"trap-smtpd: end helo=\"ip=192.0.2.9 hard=9\" ip=192.0.2.7 hard=1",
     "192.0.2.7", 1},
    {"trap-smtpd: end host=\"x hard=1\" helo=\"ip=192.0.2.9 hard=9", NULL, 0},
    {"trap-smtpd: message session=1 ip=192.0.2.7 hard=1", NULL, 0},
    {"rcptcheck: end session=1 ip=192.0.2.7 hard=1", NULL, 0},
    {"x trap-smtpd: end session=1 ip=192.0.2.7 hard=1", NULL, 0},
    {"rblsmtpd: 192.0.2.7 pid 1: 553 trap-smtpd: end ip=192.0.2.7 hard=1", NULL,
     0},
    {"trap-smtpd: end ", NULL, 0},
    {"trap-smtpd: end", NULL, 0},
    {"@400000004a32392b2aa21dac", NULL, 0},
    {"", NULL, 0},
};

int
main(void)
{
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct offence offence;
    size_t n = strlen(cases[i].line);
    char *line = malloc(n + 1); /* of just that size */
    if (!line)
      return 1;
    memcpy(line, cases[i].line, n);
    bool is = offence_parse(&offence, line, n);
    tap_ok(is == (cases[i].ip != NULL), "%s%s",
           is ? "" : "none: ", cases[i].line);
    if (is && cases[i].ip) {
      tap_is_string(offence.ip, cases[i].ip, "its address");
      tap_is_number(offence.hard, cases[i].hard, "its number");
    }
    free(line);
  }
  return tap_done();
}
