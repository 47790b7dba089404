#include "deliver/handover.h"

#include <string.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static void
test_results(void)
{
  static struct {
    int code;
    enum handover command, queue;
  } const cases[] = {
      {0, HANDOVER_DONE, HANDOVER_DONE},
      {1, HANDOVER_LATER, HANDOVER_LATER},
      {10, HANDOVER_LATER, HANDOVER_LATER},
      {11, HANDOVER_LATER, HANDOVER_NEVER},
      {40, HANDOVER_LATER, HANDOVER_NEVER},
      {41, HANDOVER_LATER, HANDOVER_LATER},
      {54, HANDOVER_LATER, HANDOVER_LATER},
      {99, HANDOVER_STOP, HANDOVER_LATER},
      {100, HANDOVER_NEVER, HANDOVER_LATER},
      {111, HANDOVER_LATER, HANDOVER_LATER},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tap_ok(handover_result(cases[i].code, false) == cases[i].command,
           "command: %d", cases[i].code);
    tap_ok(handover_result(cases[i].code, true) == cases[i].queue,
           "qmail-queue: %d", cases[i].code);
  }
}

static void
test_plain(void)
{
  static char const *const plain[] = {"", "a@b", "a+b=c@d.example",
                                      "x@[192.0.2.1]", "SRS0=a/b@c"};
  static char const *const not_plain[] = {
      "-a@b",  "a b@c", "\"a\"@b", "a'b@c", "$a@b",       "a`b@c",
      "a;b@c", "a*@b",  "a\\b@c",  "a\n@b", "\xc3\xa4@b", "a&b@c"};
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    tap_ok(handover_is_plain(plain[i], strlen(plain[i])), "plain: %s",
           plain[i]);
  for (size_t i = 0; i < sizeof not_plain / sizeof *not_plain; i++)
    tap_ok(!handover_is_plain(not_plain[i], strlen(not_plain[i])),
           "not plain: case %zu", i);
  tap_ok(!handover_is_plain("a\0b", 3), "not plain: NUL");
}

static void
add(struct envelope *envelope, char const *text)
{
  struct envelope_command rcpt;
  if (command_envelope(VERB_RCPT, text, strlen(text), ADDRESS_LAX, &rcpt))
    envelope_add(envelope, &rcpt);
}

static void
test_queue(void)
{
  static struct envelope envelope;
  static struct spool spool;
  static char const wanted[] = "F\0Ta b@c\0Ta\"@d\0T\xc3\xa4@e\0";
  struct address sender = {.length = 0};
  char got[64];
  envelope_reset(&envelope);
  envelope_set_sender(&envelope, &sender);
  add(&envelope, "TO:<\"a b\"@c>");
  add(&envelope, "TO:<\"a\\\"\"@d>");
  add(&envelope, "TO:<\xc3\xa4@e>");
  spool_begin(&spool, NULL, sizeof got);
  tap_is_number(handover_queue(&envelope, &spool), 0, "an envelope");
  ssize_t n = read(spool_file(&spool), got, sizeof got);
  tap_is_bytes(got, n < 0 ? 0 : (size_t)n, wanted, sizeof wanted,
               "as qmail-queue reads it");
  spool_clear(&spool);
}

int
main(void)
{
  test_results();
  test_plain();
  test_queue();
  return tap_done();
}
