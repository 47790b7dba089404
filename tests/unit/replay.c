/* A job's stream from its metadata, and what the answers decide. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/replay.h"
#include "tests/unit/tap.h"

static struct jobrecord record;
static struct replay replay;

static int
build(char const *metadata)
{
  static char text[4000];
  snprintf(text, sizeof text, "QDFN: x\nQZZZ: z\n%s", metadata);
  jobrecord_parse(&record, text, strlen(text));
  return replay_build(&replay, &record, "50.job", 7, "fall@back");
}

static void
text_is(char const *metadata, char const *wanted, char const *name)
{
  if (tap_ok(build(metadata), "%s: built", name))
    tap_is_bytes(replay.text.s, replay.text.len, wanted, strlen(wanted), name);
}

#define UNKNOWN "[UNAVAILABLE]"
#define NOBODY                                                                 \
  "XCLIENT ADDR=" UNKNOWN " NAME=" UNKNOWN " PORT=" UNKNOWN " HELO=" UNKNOWN   \
  " PROTO=" UNKNOWN " LOGIN=" UNKNOWN " DESTADDR=" UNKNOWN                     \
  " DESTPORT=" UNKNOWN "\n"
#define ENVELOPE "MAIL FROM:<>\nRCPT TO:<fall@back>\nBDAT 7 LAST\n"

static void
test_text(void)
{
  text_is("", NOBODY "XNOTE session=50.job\n" ENVELOPE, "no metadata");
  text_is("ip: 1.2.3.4\nhost: h\nhelo: a b\nproto: ESMTP\nident: i\n"
          "mail_from: a@b\nrcpt_to: c@d\te@f\nnote: ham x!y spam\n"
          "session: s\ntime: t\nqueued: q\nblind: 0\ndelivered: c@d\nrefused: "
          "e@f\ndq.tries: 3\nscore: 5 +\n"
          "Big Key: v\nk: a\xe9\n",
          "XCLIENT ADDR=1.2.3.4 NAME=h PORT=" UNKNOWN
          " HELO=a+20b PROTO=ESMTP LOGIN=i DESTADDR=" UNKNOWN
          " DESTPORT=" UNKNOWN "\nXNOTE session=s\nXNOTE score=5+20+2B\n"
          "XNOTE k=a+E9\nMAIL FROM:<a@b>\n"
          "RCPT TO:<c@d> NOTE=ham NOTE=spam\n"
          "RCPT TO:<e@f> NOTE=ham NOTE=spam\nBDAT 7 LAST\n",
          "all metadata");
  text_is("ip: nonsense\nproto: much too long a protocol\n",
          NOBODY "XNOTE session=50.job\n" ENVELOPE, "a client that is none");
  text_is("mail_from: a b\nrcpt_to: \t> <\tok@x\t\n",
          NOBODY "XNOTE session=50.job\nMAIL FROM:<>\nRCPT TO:<ok@x>\n"
                 "BDAT 7 LAST\n",
          "addresses that are none");
  tap_is_number((long long)replay.left_out, 3, "are counted");
  text_is("rcpt_to: <a@b>\nmail_from: <>\n",
          NOBODY "XNOTE session=50.job\nMAIL FROM:<>\nRCPT TO:<a@b>\n"
                 "BDAT 7 LAST\n",
          "addresses in brackets");
}

static void
test_limit(void)
{
  size_t n = REPLAY_TEXT_MAX / 16;
  static char text[JOBRECORD_TEXT_MAX];
  size_t used = (size_t)snprintf(text, sizeof text, "QDFN: x\nrcpt_to: ");
  for (size_t i = 0; i + 1 < n / 2 && used + 30 < sizeof text / 2; i++) {
    memcpy(text + used, "a@b\t", 4);
    used += 4;
  }
  used += (size_t)snprintf(text + used, sizeof text - used, "c@d\nnote: ");
  for (int i = 0; i < COMMAND_PARAMETERS_MAX; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%032d ", i);
  text[used++] = '\n';
  tap_ok(!jobrecord_parse(&record, text, used), "a huge envelope");
  tap_ok(!replay_build(&replay, &record, "5", 7, "f@b") && errno == E2BIG,
         "is too much");
}

struct answers_case {
  char const *name;
  char const *out;
  enum replay_outcome outcome;
  char const *worst;
  char const *later;
  char const *never;
};

static void
test_answers(void)
{
  static struct answers_case const cases[] = {
      {"all taken", "MAIL FROM:<>\n250 a\n250 b\nXNOTE queued=q1\n250 ok\n",
       REPLAY_DONE, "", "", ""},
      {"nobody answers LAST",
       "XCLIENT\nMAIL FROM:<>\n250 a\n250 b\nXNOTE queued=q1\nBDAT 2\nhi"
       "BDAT 3 LAST\n250",
       REPLAY_DONE, "", "", ""},
      {"nor has it", "MAIL FROM:<>\n250 a\n250 b\nBDAT 3 LAST\n250",
       REPLAY_DEFERRED, "451 4.3.0 no stage takes the message", "c@d\te@f", ""},
      {"nobody takes one", "MAIL FROM:<>\nRCPT TO:<c@d>\n250 b\n250 ok\n",
       REPLAY_DEFERRED, "450 4.2.0 no stage takes this recipient", "c@d", ""},
      {"one later", "MAIL FROM:<>\n250 a\n450 x\ty\n250 ok\n", REPLAY_DEFERRED,
       "450 x?y", "e@f", ""},
      {"one never", "MAIL FROM:<>\n550 a\n250 b\n250 ok\n", REPLAY_REFUSED,
       "550 a", "", "c@d"},
      {"one later, one never", "MAIL FROM:<>\n550 a\n450 b\n554 c\n",
       REPLAY_DEFERRED, "450 b", "e@f", "c@d"},
      {"all never, LAST says 250", "MAIL FROM:<>\n550 a\n551 b\n250 c\n",
       REPLAY_REFUSED, "550 a", "", "c@d\te@f"},
      {"all never, LAST says 451", "MAIL FROM:<>\n550 a\n551 b\n451 c\n",
       REPLAY_REFUSED, "550 a", "", "c@d\te@f"},
      {"the message never", "MAIL FROM:<>\n250 a\n250 b\n!554 c\n",
       REPLAY_REFUSED, "554 c", "", "c@d\te@f"},
      {"the message later", "MAIL FROM:<>\n250 a\n550 b\n451 c\n",
       REPLAY_DEFERRED, "451 c", "c@d", "e@f"},
      {"the sender later", "450 m\n503 a\n503 b\n503 c\n", REPLAY_DEFERRED,
       "450 m", "c@d\te@f", ""},
      {"the sender never", "550 m\n450 a\n450 b\n450 c\n", REPLAY_REFUSED,
       "550 m", "", "c@d\te@f"},
      {"354", "MAIL FROM:<>\n250 a\n250 b\n354 go on\n", REPLAY_DEFERRED,
       "451 4.3.0 an answer 3xx", "c@d\te@f", ""},
      {"with an RSET", "MAIL FROM:<>\n250 a\n250 b\nRSET\n554 c\n",
       REPLAY_REFUSED, "554 c", "", "c@d\te@f"},
      {"a sink has delivered one",
       "MAIL FROM:<>\n250 a\n250 b\nXNOTE delivered=c@d\nRSET\n451 c\n",
       REPLAY_DEFERRED, "451 c", "e@f", ""},
      {"and refused one",
       "MAIL FROM:<>\n250 a\n250 b\nXNOTE refused=c@d\n451 c\n",
       REPLAY_DEFERRED, "451 c", "e@f", "c@d"},
      {"one each",
       "MAIL FROM:<>\n250 a\n250 b\nXNOTE refused=c@d\n"
       "XNOTE delivered=e@f\n250 ok\n",
       REPLAY_REFUSED, "554 5.0.0 a sink has refused a recipient", "", "c@d"},
      {"a delivery to whom nobody knows, twice, or before RCPT was answered",
       "XNOTE delivered=c@d\nMAIL FROM:<>\n250 a\nXNOTE delivered=c@d\n"
       "250 b\nXNOTE delivered=x@y\nXNOTE delivered=e@f\n"
       "XNOTE delivered=e@f\n451 c\n",
       REPLAY_DEFERRED, "451 c", "c@d", ""},
  };
  stralloc left = STRALLOC_ZERO;
  size_t count;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct answers_case const *c = cases + i;
    size_t n = strlen(c->out);
    for (size_t step = 1; step <= n; step += n - 1) {
      build("rcpt_to: c@d\te@f\n");
      enum replay_state state = REPLAY_WAITING;
      for (size_t at = 0; at < n; at += step)
        state = replay_take(&replay, c->out + at, step);
      tap_ok(state == REPLAY_ANSWERED, "%s: answered", c->name);
      tap_ok(replay_outcome(&replay) == c->outcome, "%s: outcome", c->name);
      tap_is_string(replay.worst, c->worst, c->name);
      left.len = 0;
      replay_left(&replay, REPLAY_LATER, &left, &count);
      tap_is_bytes(left.s, left.len, c->later, strlen(c->later), c->name);
      left.len = 0;
      replay_left(&replay, REPLAY_NEVER, &left, &count);
      tap_is_bytes(left.s, left.len, c->never, strlen(c->never), c->name);
    }
  }
  stralloc_free(&left);
}

static void
test_broken(void)
{
  static char const full[] = "MAIL FROM:<>\n250 a\n250 ok\n";
  build("rcpt_to: c@d\n");
  tap_ok(replay_take(&replay, full, 10) == REPLAY_WAITING, "waits");
  build("rcpt_to: c@d\n");
  tap_ok(replay_take(&replay, full, sizeof full - 1) == REPLAY_ANSWERED,
         "answered");
  tap_is_string(replay.queued, "", "no id");
  tap_ok(replay_take(&replay, "XNOTE a=b\n", 10) == REPLAY_ANSWERED,
         "and a note later");
  tap_ok(replay_take(&replay, "250 x\n", 6) == REPLAY_BROKEN,
         "an answer to no command");
  tap_is_string(replay.reason, "an answer to no command", "is said");
  build("rcpt_to: c@d\n");
  tap_ok(replay_take(&replay, "BDAT x\n", 7) == REPLAY_BROKEN, "no stream");
}

int
main(void)
{
  test_text();
  test_limit();
  test_answers();
  test_broken();
  stralloc_free(&replay.text);
  stralloc_free(&replay.addresses);
  free(replay.recipient);
  return tap_done();
}
