/* Private to the stage loop (stage.c) and what handlers call (stagecall.c). */
#ifndef TRAPLINE_LIB_STAGELOOP_H
#define TRAPLINE_LIB_STAGELOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/stage.h"

#define ANSWER_MAX 500
#define PARAMETERS_MAX 256 /* bytes added to one RCPT */

/* What a stage keeps beside what its handlers may see. */
struct stage_loop {
  struct stage_handlers const *handlers;
  bool seen_rcpt;
  bool mail_refused;
  bool in_body;
  bool refused;   /* answered in body, piece or end */
  bool sent_body; /* some of the body was passed on */
  bool queued;    /* an earlier stage committed this message */
  bool answered;
  size_t parameter_count; /* added to this RCPT */
  size_t parameter_bytes; /* likewise */
  char answer[ANSWER_MAX + 2];
  char parameters[PARAMETERS_MAX];
};

#endif
