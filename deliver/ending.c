#include "deliver/ending.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "lib/exitcode.h"
#include "lib/process.h"
#include "lib/stream.h"

#define FLUSH_S 1

enum state { FREE, HELD, FLUSHING };

static void (*discard_in_hand)(void);
static volatile sig_atomic_t state = FREE;
static volatile sig_atomic_t is_due;

static void
on_signal(int number)
{
  (void)number;
  if (state == FREE && discard_in_hand)
    discard_in_hand();
  if (state == FREE)
    _exit(EXIT_TEMPORARY);
  if (state == FLUSHING)
    alarm(FLUSH_S);
  is_due = 1;
}

static void
on_alarm(int number)
{
  (void)number;
  _exit(EXIT_TEMPORARY);
}

void
ending_catch(void (*discard)(void))
{
  struct sigaction action = {.sa_handler = on_alarm};
  sigset_t none;
  discard_in_hand = discard;
  process_on_end(on_signal);
  sigaction(SIGALRM, &action, NULL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

void
ending_hold(void)
{
  state = HELD;
}

void
ending_answer(void)
{
  if (state == FREE)
    return;
  state = FLUSHING;
  if (is_due)
    alarm(FLUSH_S);
}

void
ending_release(void)
{
  if (state == FREE)
    return;
  ending_answer();
  stream_flush();
  state = FREE;
  if (is_due)
    _exit(EXIT_TEMPORARY);
}

bool
ending_is_due(void)
{
  return is_due;
}
