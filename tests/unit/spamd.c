#include "filters/spamd.h"

#include "tests/unit/tap.h"

int
main(void)
{
  static struct {
    char const *text;
    size_t length;
    int64_t thousandths;
  } const table[] = {
      {"5", 1, 5000},
      {"5.0", 3, 5000},
      {"-5.25", 5, -5250},
      {"+1.5", 4, 1500},
      {"0.001", 5, 1},
      {"-0.5", 4, -500},
      {"1.23456", 7, 1234},
      {"999999999.999", 13, 999999999999},
      {"15.5 / 5.0", 4, 15500},
      {"1.", 1, 1000},
      {"1.x", 1, 1000},
      {"1x", 1, 1000},
      {"1234567890", 0, 0},
      {"", 0, 0},
      {"-", 0, 0},
      {".5", 0, 0},
      {"--5", 0, 0},
      {"x", 0, 0},
      {" 5", 0, 0},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    int64_t score = 0;
    tap_is_number((long long)spamd_score(table[i].text, &score),
                  (long long)table[i].length, table[i].text);
    tap_is_number(score, table[i].thousandths, "... its thousandths");
  }
  return tap_done();
}
