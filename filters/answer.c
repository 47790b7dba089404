#include "filters/answer.h"

#include <string.h>

#include "lib/ascii.h"
#include "lib/command.h"

bool
answer_is_usable(char const *text)
{
  size_t n = strlen(text);
  if (n > ANSWER_BYTES_MAX || !command_is_answer(text, n))
    return false;
  if (text[text[0] == '!'] == '3')
    return false;
  for (size_t i = 0; i < n; i++)
    if (ascii_is_control(text[i]) || ascii_is_8bit(text[i]))
      return false;
  return true;
}
