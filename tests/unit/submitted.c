#include "deliver/submitted.h"

#include <stddef.h>

#include "tests/unit/tap.h"

int
main(void)
{
  static struct {
    char const *name;
    long long seconds; /* -1: none in it */
  } const rows[] = {
      {"50.19700101000000000000.DNDg0", 0},
      {"50.20231114221320000042.DNDg0.19403.53434", 1700000000},
      {"50.20261120235026095324.DNDg0", 1795218626},
      {"00.20000229235959999999.x", 951868799},
      {"00.20240301000000000000.x", 1709251200},
      {"99.21000228000000000000.x", 4107456000},
      {"99.21000301000000000000.x", 4107542400},
      {"99.99991231235959000000.x", 253402300799},
      {"50.20231114221320000042", -1},
      {"5.20231114221320000042.x", -1},
      {"50.2023111422132000004.x", -1},
      {"50.202311142213200000420.x", -1},
      {"50.19691231235959000000.x", -1},
      {"50.20231314221320000042.x", -1},
      {"50.20230014221320000042.x", -1},
      {"50.20231114241320000042.x", -1},
      {"50.", -1},
      {"7", -1},
      {"", -1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int64_t seconds = -1;
    tap_is_number(submitted_name(rows[i].name, &seconds), rows[i].seconds >= 0,
                  rows[i].name);
    tap_is_number(seconds, rows[i].seconds, "... the seconds");
  }
  return tap_done();
}
