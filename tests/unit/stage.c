#include "tests/unit/tap.h"

#include <string.h>

#include <skalibs/strerr.h>

#include "lib/log.h"
#include "lib/stage.h"
#include "tests/unit/child.h"

#define BODY "MAIL FROM:<a@b>\nRCPT TO:<pass@b>\n"

/* What a stage's handlers do; NULL: there is no such handler. */
struct script {
  char const *mail;  /* the answer; "": none */
  char const *body;  /* likewise; "+text" is put into the message; "-answer" is
                        that from the second message on */
  char const *piece; /* likewise */
  char const *end;   /* likewise */
  bool rcpt;         /* take@, refuse@ and mark@ are answered and marked */
  bool tell;         /* say on descriptor 2 what the loop tells the handlers */
};

static struct script const none;
static struct script const *script;

static void
tell(struct stage *stage, char const *what)
{
  struct log log;
  if (!script->tell)
    return;
  stage_log(stage, &log, what);
  log_number(&log, "taken", stage->taken);
  log_number(&log, "passed", stage->passed);
  log_number(&log, "in", stage->in_transaction);
  log_write(&log);
}

static void
act(struct stage *stage, char const *what)
{
  static bool second;
  if (*what == '+')
    stage_write(stage, what + 1, strlen(what + 1));
  else if (*what == '-' && !second)
    second = true;
  else if (*what)
    stage_answer(stage, what + (*what == '-'));
}

static void
do_client(struct stage *stage)
{
  tell(stage, stage->client.addr);
}

static void
do_note(struct stage *stage, struct note const *note)
{
  tell(stage, note->value);
}

static void
do_mail(struct stage *stage, struct envelope_command const *mail)
{
  tell(stage, mail->address.text);
  act(stage, script->mail);
}

static void
do_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  char const *text = rcpt->address.text;
  if (!strncmp(text, "take@", 5))
    stage_answer(stage, "250 2.1.5 ok");
  if (!strncmp(text, "hang@", 5))
    stage_answer(stage, "!250 taken, and hung up");
  if (!strncmp(text, "refuse@", 7))
    stage_answer(stage, "450 4.2.1 later");
  if (!strncmp(text, "twice@", 6)) {
    stage_answer(stage, "250 2.1.5 ok");
    stage_answer(stage, "550 5.1.1 no");
  }
  if (!strncmp(text, "mark@", 5)) {
    stage_parameter(stage, "CHECKED", NULL);
    stage_parameter(stage, "NOTE", "ham");
    stage_note(stage, "k", "a b=+\n");
  }
}

static void
do_body(struct stage *stage)
{
  tell(stage, "body");
  act(stage, script->body);
}

static void
do_piece(struct stage *stage, char const *bytes, size_t n)
{
  (void)bytes;
  tell(stage, n > 9 ? "long piece" : "piece");
  act(stage, script->piece);
}

static void
do_end(struct stage *stage)
{
  tell(stage, "end");
  act(stage, script->end);
}

static void
do_reset(struct stage *stage)
{
  tell(stage, "reset");
}

static int
run_script(void const *data)
{
  struct script const *of = data;
  struct stage_handlers handlers = {.judges_sender = of->mail != NULL,
                                    .client = of->tell ? do_client : NULL,
                                    .note = of->tell ? do_note : NULL,
                                    .mail = of->mail ? do_mail : NULL,
                                    .rcpt = of->rcpt ? do_rcpt : NULL,
                                    .body = of->body ? do_body : NULL,
                                    .piece = of->piece ? do_piece : NULL,
                                    .end = of->end ? do_end : NULL,
                                    .reset = of->tell ? do_reset : NULL};
  script = of;
  return stage_run(&handlers, NULL);
}

/* The stage does this and ends well, saying nothing. */
static void
does(char const *name, struct script const *of, char const *in,
     char const *wanted)
{
  struct child const *child = child_run(run_script, of, in, strlen(in));
  tap_is_string(child->output, wanted, name);
  tap_is_string(child->errors, "", "... and nothing is logged");
  tap_is_number(child->code, 0, "... and it ends well");
}

static void
test_passing(void)
{
  static char const all[] = "XCLIENT ADDR=192.0.2.1\nXNOTE a=b\n"
                            "MAIL FROM:<a@b> SIZE=1\nrcpt to:c@d NOTE=x\n"
                            "BDAT 3\nRSEXNOTE k=v\n250 ok\nBDAT 5 LAST\nRSET\n"
                            "RSET\n!550 x\nNOOP x\n\nMAIL FROM:<>\n";
  does("nothing", &none, "", "");
  does("no handler: all is passed on", &none, all, all);
  does("MAIL after MAIL", &none, "MAIL FROM:<a>\nMAIL FROM:<b>\n",
       "MAIL FROM:<a>\nMAIL FROM:<b>\n");
  does("RSET in mid-body", &none, BODY "BDAT 2\nabRSET\n" BODY,
       BODY "BDAT 2\nabRSET\n" BODY);
  does("an empty piece is dropped", &none,
       BODY "BDAT 0\nbdat 1 last\nx" BODY "BDAT 0 LAST\n",
       BODY "BDAT 1 LAST\nx" BODY "BDAT 0 LAST\n");
}

static void
test_recipients(void)
{
  static struct script const of = {.rcpt = true, .end = "250 2.6.0 queued"};
  does("taken, refused, marked and passed on", &of,
       "MAIL FROM:<a@b>\nRCPT TO:<take@b>\nRCPT TO:<refuse@b>\n"
       "RCPT TO:<mark@b> X=1\nRCPT TO:<pass@b>\nRCPT TO:<twice@b>\n",
       "MAIL FROM:<a@b>\n250 2.1.5 ok\n450 4.2.1 later\n"
       "XNOTE k=a+20b+3D+2B+0A\nRCPT TO:<mark@b> X=1 CHECKED NOTE=ham\n"
       "RCPT TO:<pass@b>\n550 5.1.1 no\n");
  does("a taken message is not passed on", &of,
       "MAIL FROM:<a@b>\nRCPT TO:<hang@b>\nBDAT 2\nabBDAT 1 LAST\nc",
       "MAIL FROM:<a@b>\n!250 taken, and hung up\n250 2.6.0 queued\n");
  does("all refused: the body is swallowed", &of,
       "MAIL FROM:<a@b>\nRCPT TO:<refuse@b>\nBDAT 2\nabBDAT 1 LAST\ncRSET\n",
       "MAIL FROM:<a@b>\n450 4.2.1 later\n554 5.5.1 no valid recipients\n"
       "RSET\n");
  does("... but an earlier stage has it", &of,
       "MAIL FROM:<a@b>\nRCPT TO:<refuse@b>\nBDAT 1\naXNOTE queued=i\n"
       "BDAT 0 LAST\nMAIL FROM:<a@b>\nRCPT TO:<refuse@b>\nBDAT 0 LAST\n",
       "MAIL FROM:<a@b>\n450 4.2.1 later\nXNOTE queued=i\n250 2.6.0 queued\n"
       "MAIL FROM:<a@b>\n450 4.2.1 later\n554 5.5.1 no valid recipients\n");
  does("... in this transaction", &of,
       "XNOTE queued=i\nMAIL FROM:<a@b>\nRCPT TO:<refuse@b>\nBDAT 0 LAST\n",
       "XNOTE queued=i\nMAIL FROM:<a@b>\n450 4.2.1 later\n"
       "554 5.5.1 no valid recipients\n");
}

static void
test_refused_mail(void)
{
  static struct script const refuse = {
      .mail = "550 5.7.1 no", .rcpt = true, .end = "250 2.6.0 queued"};
  static struct script const accept = {.mail = "250 2.1.0 ok"};
  does("a refused MAIL: the rest is answered", &refuse,
       "MAIL FROM:<a@b>\nRCPT TO:<take@b>\nBDAT 1\nxBDAT 0 LAST\n"
       "MAIL FROM:<a@b>\nRSET\n",
       "550 5.7.1 no\n503 5.5.1 sender was refused\n"
       "503 5.5.1 sender was refused\n550 5.7.1 no\nRSET\n");
  does("MAIL cannot be accepted", &accept, "MAIL FROM:<a@b>\n",
       "MAIL FROM:<a@b>\n");
}

static void
test_bodies(void)
{
  static struct script const end = {.end = ""};
  static struct script const piece = {.piece = ""};
  static struct script const body = {.body = "+X: y\n"};
  static struct script const all = {.body = "+top\n", .end = "+bottom\n"};
  static char const in[] = BODY "BDAT 3\nabcBDAT 2 LAST\nd\nRSET\n";
  does("an end handler: LAST waits for it", &end, in,
       BODY "BDAT 3\nabcBDAT 2\nd\nBDAT 0 LAST\nRSET\n");
  does("... LAST 0 too", &end, BODY "BDAT 0 LAST\n", BODY "BDAT 0 LAST\n");
  does("a piece handler: each piece is framed anew", &piece, in,
       BODY "BDAT 3\nabcBDAT 2\nd\nBDAT 0 LAST\nRSET\n");
  does("bytes put on top", &body, in,
       BODY "BDAT 5\nX: y\nBDAT 3\nabcBDAT 2 LAST\nd\nRSET\n");
  does("... and below", &all, BODY "BDAT 1 LAST\nx",
       BODY "BDAT 4\ntop\nBDAT 1\nxBDAT 7\nbottom\nBDAT 0 LAST\n");
}

static void
test_refused_bodies(void)
{
  static struct script const body = {.body = "550 5.7.1 no"};
  static struct script const piece = {.body = "+top", .piece = "!450 later"};
  static struct script const only = {.piece = "550 5.7.1 no"};
  static struct script const end = {.end = "550 5.6.0 no"};
  static struct script const later = {.body = "-550 5.7.1 no"};
  static char const in[] = BODY "BDAT 3\nabcXNOTE k=v\nBDAT 2 LAST\nd\nRSET\n";
  does("refused before the body", &body, in,
       BODY "XNOTE k=v\n550 5.7.1 no\nRSET\n");
  does("refused in the body, what was put is taken back", &piece, in,
       BODY "BDAT 3\ntopXNOTE k=v\nRSET\n!450 later\nRSET\n");
  does("... nothing was put", &only, in,
       BODY "XNOTE k=v\n550 5.7.1 no\nRSET\n");
  does("one passed on, the next refused before its body", &later,
       BODY "BDAT 1 LAST\nx" BODY "BDAT 1 LAST\nx",
       BODY "BDAT 1 LAST\nx" BODY "550 5.7.1 no\n");
  does("refused at the end", &end, in,
       BODY "BDAT 3\nabcXNOTE k=v\nBDAT 2\nd\nRSET\n550 5.6.0 no\nRSET\n");
  does("the next message starts anew", &end, BODY "BDAT 1 LAST\nx" BODY,
       BODY "BDAT 1\nxRSET\n550 5.6.0 no\n" BODY);
}

static void
test_forgetful(void)
{
  static struct script const sink = {.rcpt = true, .end = ""};
  static char const in[] = "MAIL FROM:<a@b>\nRCPT TO:<take@b>\nBDAT 1 LAST\nx";
  struct child const *child = child_run(run_script, &sink, in, sizeof in - 1);
  tap_is_string(child->output,
                "MAIL FROM:<a@b>\n250 2.1.5 ok\n"
                "451 4.3.0 unable to take the message\n",
                "a sink that forgets its answer");
  tap_is_string(child->errors, "unit: error: message not answered\n",
                "... is logged");
}

static void
test_judges(void)
{
  static struct script const judge = {.mail = ""};
  static char const some[] = "XNOTE blind=41\n";
  does("a stage that judges no sender counts itself", &none,
       "XNOTE blind=0\nXNOTE blind=41\nXNOTE blind=x\n",
       "XNOTE blind=1\nXNOTE blind=42\nXNOTE blind=1\n");
  does("one that may refuse MAIL does not", &judge, some, some);
}

/* What handlers are told, and when. */
static void
test_telling(void)
{
  static struct script const of = {.mail = "",
                                   .body = "",
                                   .piece = "",
                                   .end = "",
                                   .rcpt = true,
                                   .tell = true};
  static char const in[] =
      "XCLIENT ADDR=192.0.2.1\nXNOTE session=s\nMAIL FROM:<a@b>\n"
      "RCPT TO:<take@b>\nRCPT TO:<pass@b>\nXNOTE k=v\nBDAT 3\nabc"
      "BDAT 0 LAST\nMAIL FROM:<>\nRCPT TO:<refuse@b>\nBDAT 1 LAST\nx"
      "MAIL FROM:<c@d>\nMAIL FROM:<e@f>\nRSET\nRSET\nXCLIENT X=y\n";
  struct child const *child = child_run(run_script, &of, in, sizeof in - 1);
  tap_is_string(child->errors,
                "unit: 192.0.2.1 taken=0 passed=0 in=0\n"
                "unit: s session=s taken=0 passed=0 in=0\n"
                "unit: a@b session=s taken=0 passed=0 in=1\n"
                "unit: v session=s taken=1 passed=1 in=1\n"
                "unit: body session=s taken=1 passed=1 in=1\n"
                "unit: piece session=s taken=1 passed=1 in=1\n"
                "unit: end session=s taken=1 passed=1 in=1\n"
                "unit: reset session=s taken=1 passed=1 in=1\n"
                "unit:  session=s taken=0 passed=0 in=1\n"
                "unit: reset session=s taken=0 passed=0 in=1\n"
                "unit: c@d session=s taken=0 passed=0 in=1\n"
                "unit: reset session=s taken=0 passed=0 in=1\n"
                "unit: e@f session=s taken=0 passed=0 in=1\n"
                "unit: reset session=s taken=0 passed=0 in=1\n"
                "unit:  taken=0 passed=0 in=0\n",
                "each handler in its turn");
}

int
main(void)
{
  PROG = "unit";
  test_passing();
  test_recipients();
  test_refused_mail();
  test_bodies();
  test_refused_bodies();
  test_forgetful();
  test_judges();
  test_telling();
  return tap_done();
}
