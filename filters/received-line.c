/* received-line: a filter that puts a Received header on top of each message.
 * Specified in received-line(8). */
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "filters/received.h"
#include "lib/control.h"
#include "lib/envelope.h"
#include "lib/exitcode.h"
#include "lib/process.h"
#include "lib/stage.h"

#define USAGE "received-line [-m]"

struct state {
  bool mask;
  char me[256];
  char version[32], cipher[64]; /* of TLS, or empty */
  struct envelope envelope;
};

/* A new session, perhaps: those of a pool's pipeline follow each other. */
static void
do_client(struct stage *stage)
{
  struct state *state = stage->state;
  state->version[0] = state->cipher[0] = 0;
}

static void
keep(struct note const *note, char *out, size_t size)
{
  size_t n = note->value_bytes < size - 1 ? note->value_bytes : size - 1;
  memcpy(out, note->value, n);
  out[n] = 0;
}

static void
do_note(struct stage *stage, struct note const *note)
{
  struct state *state = stage->state;
  if (!strcmp(note->key, "tls.version"))
    keep(note, state->version, sizeof state->version);
  else if (!strcmp(note->key, "tls.cipher"))
    keep(note, state->cipher, sizeof state->cipher);
}

static void
do_mail(struct stage *stage, struct envelope_command const *mail)
{
  struct state *state = stage->state;
  envelope_reset(&state->envelope);
  envelope_set_sender(&state->envelope, &mail->address);
}

static void
do_rcpt(struct stage *stage, struct envelope_command const *rcpt)
{
  struct state *state = stage->state;
  if (!envelope_add(&state->envelope, rcpt))
    stage_answer(stage, "452 4.5.3 Too many recipients");
}

static void
put(void *context, char const *bytes, size_t n)
{
  stage_write(context, bytes, n);
}

static void
do_body(struct stage *stage)
{
  struct state *state = stage->state;
  struct received received = {
      .client = &stage->client,
      .envelope = &state->envelope,
      .me = state->me,
      .tls_version = state->version,
      .tls_cipher = state->cipher,
      .mask = state->mask,
      .time = time(NULL),
  };
  received_write(&received, put, stage);
}

int
main(int argc, char **argv)
{
  static struct state state;
  static struct stage_handlers const handlers = {.client = do_client,
                                                 .note = do_note,
                                                 .mail = do_mail,
                                                 .rcpt = do_rcpt,
                                                 .body = do_body};
  subgetopt l = SUBGETOPT_ZERO;
  int option;
  process_begin("received-line");
  while ((option = subgetopt_r(argc, (char const *const *)argv, "m", &l)) !=
         -1) {
    if (option != 'm')
      strerr_dieusage(EXIT_PERMANENT, USAGE);
    state.mask = true;
  }
  if (argc > l.ind)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  if (control_me(state.me, sizeof state.me) < 0)
    strerr_dief(EXIT_TEMPORARY, control_error());
  return stage_run(&handlers, &state);
}
