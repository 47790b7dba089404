#include "filters/policy.h"

#include <errno.h>
#include <string.h>

#include "filters/answer.h"
#include "lib/log.h"
#include "lib/option.h"
#include "lib/stage.h"

bool
policy_option(struct policy *policy, int option, char const *text)
{
  if (option == 'n') {
    policy->note = option_note("-n", text);
    return true;
  }
  if (option != 'a')
    return false;
  policy->answer = option_answer("-a", text);
  policy->seen_answer = true;
  if (text[text[0] == '!'] == '2')
    option_refuse("-a", "a 4xx or 5xx answer", text);
  return true;
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
