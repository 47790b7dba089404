#include "filters/policy.h"

#include <errno.h>
#include <string.h>

#include "filters/answer.h"
#include "lib/envelope.h"
#include "lib/log.h"
#include "lib/stage.h"

bool
policy_option(struct policy *policy, int option, char const *text)
{
  if (option == 'n') {
    policy->note = text;
    return envelope_is_note(text, strlen(text));
  }
  policy->seen_answer = true;
  policy->answer = text;
  return option == 'a' && answer_is_usable(text) && text[text[0] == '!'] != '2';
}

bool
policy_is_sound(struct policy const *policy)
{
  return !policy->note || !policy->seen_answer;
}

void
policy_apply(struct policy const *policy, struct stage *stage, char const *key,
             char const *value)
{
  struct log log;
  stage_log(stage, &log, policy->note ? "noted" : "refused");
  log_string(&log, key, value);
  log_write(&log);
  if (policy->note)
    stage_parameter(stage, "NOTE", policy->note);
  else
    stage_answer(stage, policy->answer);
}

void
policy_fail(struct stage *stage, char const *file)
{
  int reason = errno;
  struct log log;
  stage_log(stage, &log, "unable to read the list");
  log_string(&log, "file", file);
  log_string(&log, "problem", strerror(reason));
  log_write(&log);
  stage_answer(stage, ANSWER_LATER);
}
