/* What a sink says about an errno: never a permanent refusal. */
#include <errno.h>
#include <string.h>

#include "deliver/storage.h"
#include "tests/unit/tap.h"

int
main(void)
{
  static int const full[] = {ENOSPC, EDQUOT, EFBIG};
  static int const other[] = {ENOENT, EACCES, EROFS, EMFILE, ENFILE, EIO};
  for (size_t i = 0; i < sizeof full / sizeof *full; i++)
    tap_ok(!strncmp(storage_answer(full[i]), "452 4.3.1 ", 10),
           "errno %d is a shortage", full[i]);
  for (size_t i = 0; i < sizeof other / sizeof *other; i++)
    tap_ok(!strncmp(storage_answer(other[i]), "451 4.3.0 ", 10),
           "errno %d is trouble", other[i]);
  int temporary = 1, advised = 1;
  for (int error = 0; error < 200; error++) {
    temporary &= storage_answer(error)[0] == '4';
    advised &= storage_advice(error)[0] != 0;
  }
  tap_ok(temporary, "every errno is temporary");
  tap_ok(advised, "every errno has advice");
  return tap_done();
}
