#include "deliver/datename.h"

#include "tests/unit/tap.h"

int
main(void)
{
  struct tm const time = {
      .tm_year = 126, .tm_mon = 0, .tm_mday = 9, .tm_hour = 7, .tm_yday = 8};
  char out[16];
  tap_ok(datename_expand("a-%Y-%m-%d", &time, out, sizeof out), "a date");
  tap_is_string(out, "a-2026-01-09", "... as it is");
  tap_ok(datename_expand("%Hx%j%%", &time, out, sizeof out), "other fields");
  tap_is_string(out, "07x009%", "... as they are");
  tap_ok(!datename_expand("%x", &time, out, sizeof out), "another letter");
  tap_ok(!datename_expand("a%", &time, out, sizeof out),
         "a bare one at the end");
  tap_ok(datename_expand("12345678901%Y", &time, out, sizeof out),
         "15 bytes of 15");
  tap_ok(!datename_expand("123456789012%Y", &time, out, sizeof out),
         "16 bytes of 15");
  return tap_done();
}
