#include "lib/option.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "lib/ascii.h"
#include "lib/command.h"
#include "lib/envelope.h"
#include "lib/exitcode.h"

void
option_refuse(char const *name, char const *want, char const *text)
{
  strerr_die(EXIT_PERMANENT, PROG, ": usage: ", name, " wants ", want, ", not ",
             *text ? text : "an empty one");
}

uint64_t
option_number(char const *name, char const *text, uint64_t least, uint64_t most)
{
  uint64_t value;
  char want[80];
  if (uint640_scan(text, &value) && value >= least && value <= most)
    return value;
  snprintf(want, sizeof want, "a whole number from %llu to %llu",
           (unsigned long long)least, (unsigned long long)most);
  option_refuse(name, want, text);
}

uint32_t
option_number32(char const *name, char const *text, uint32_t least,
                uint32_t most)
{
  return (uint32_t)option_number(name, text, least, most);
}

static bool
is_answer(char const *text)
{
  size_t n = strlen(text);
  if (n > OPTION_ANSWER_MAX || !command_is_answer(text, n))
    return false;
  if (text[text[0] == '!'] == '3')
    return false;
  for (size_t i = 0; i < n; i++)
    if (ascii_is_control(text[i]) || ascii_is_8bit(text[i]))
      return false;
  return true;
}

char const *
option_answer(char const *name, char const *text)
{
  if (!is_answer(text))
    option_refuse(name, "an answer, as \"550 5.1.1 no such user\"", text);
  return text;
}

char const *
option_note(char const *name, char const *text)
{
  if (!envelope_is_note(text, strlen(text)))
    option_refuse(name, "a note's name, 1 to 32 of A-Z a-z 0-9 . _ -", text);
  return text;
}
