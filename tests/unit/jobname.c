/* Names of jobs: the hash's vectors, the grammar, the data path. */
#include <string.h>

#include "lib/jobname.h"
#include "tests/unit/tap.h"

/* The hash when all bytes of host and pid together make this sum. */
static void
hash_of_sum(unsigned int sum, char const *wanted)
{
  char host[400];
  char hash[JOBNAME_HASH_MAX + 1];
  size_t n = 0;
  unsigned int left = (sum + 65536 - '0') % 65536; /* the pid is 0 */
  while (left) {
    unsigned int byte = left > 255 ? 255 : left;
    host[n++] = (char)(unsigned char)byte;
    left -= byte;
  }
  host[n] = 0;
  size_t length = jobname_hash(host, 0, hash);
  tap_is_string(hash, wanted, "hash of a sum");
  tap_is_number((long long)length, (long long)strlen(wanted), "its length");
}

static void
hash_of_input(char const *host, uint32_t pid, char const *wanted)
{
  char hash[JOBNAME_HASH_MAX + 1];
  jobname_hash(host, pid, hash);
  tap_is_string(hash, wanted, "hash of host and pid");
}

static void
test_hash(void)
{
  static struct {
    unsigned int sum;
    char const *hash;
  } const sums[] = {{5, "BNQ"},         {10, "CMT"},       {100, "DMTw"},
                    {360, "DMzYw"},     {404, "DND0"},     {448, "DNDQ4"},
                    {800, "DODw"},      {1000, "EMTwM"},   {1200, "EMTIwM"},
                    {2013, "EMjxMw"},   {9999, "EOTk5OQ"}, {10000, "FMTwMD"},
                    {65535, "FNjU1MzU"}};
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
    hash_of_sum(sums[i].sum, sums[i].hash);
  hash_of_input("vm", 300, "DMzc0");
  hash_of_input("vm", 1000, "DNDIw");
  hash_of_input("vm", 999, "DMzk4");
  hash_of_input("vm", 2000, "DNDIx");
  hash_of_input("vm", 65535, "DNDkx");
  hash_of_input("vm", 4294967295u, "DNzY0");
}

static struct jobname
sample(void)
{
  struct jobname name = {.priority = 50,
                         .seconds = 1795218626,
                         .microseconds = 95324,
                         .host = "vm",
                         .pid = 300,
                         .random = 7};
  return name;
}

static void
test_base(void)
{
  char base[JOBNAME_BASE_MAX + 1];
  struct jobname name = sample();
  size_t n = jobname_base(&name, base);
  tap_is_string(base, "50.20261120235026095324.DMzc0.300.00007", "base name");
  tap_is_number((long long)n, (long long)strlen(base), "its length");

  name.priority = 0;
  name.random = 65535;
  name.microseconds = 0;
  jobname_base(&name, base);
  tap_is_string(base, "00.20261120235026000000.DMzc0.300.65535",
                "priority 0, random 65535, microsecond 0");
  name = sample();
  name.priority = 99;
  name.microseconds = 999999;
  name.seconds = 0;
  jobname_base(&name, base);
  tap_is_string(base, "99.19700101000000999999.DMzc0.300.00007",
                "priority 99, the first second, the last microsecond");
  name.seconds = INT64_C(253402300799);
  name.pid = 4294967295u;
  tap_ok(jobname_base(&name, base) > 0, "the last second of 9999");
  tap_ok(!strncmp(base, "99.99991231235959999999.", 24), "its date");
}

static void
test_ranges(void)
{
  char base[JOBNAME_BASE_MAX + 1];
  struct jobname name = sample();
  name.priority = 100;
  tap_is_number((long long)jobname_base(&name, base), 0, "priority 100");
  name = sample();
  name.microseconds = 1000000;
  tap_is_number((long long)jobname_base(&name, base), 0, "microsecond 1000000");
  name = sample();
  name.seconds = -1;
  tap_is_number((long long)jobname_base(&name, base), 0, "before 1970");
  name.seconds = INT64_C(253402300800);
  tap_is_number((long long)jobname_base(&name, base), 0, "the year 10000");
}

static void
data_of(char const *base, char const *wanted)
{
  char path[JOBNAME_DATA_MAX + 1] = "";
  size_t n = jobname_data(base, path);
  if (!wanted) {
    tap_ok(n == 0, "no data path for %s", base);
    return;
  }
  tap_is_string(path, wanted, "data path");
  tap_is_number((long long)n, (long long)strlen(wanted), "its length");
}

static void
test_data(void)
{
  char longest[JOBNAME_BASE_MAX + 2];
  data_of("50.20261120234105100561.DNDc3",
          "data/c/3/50.20261120234105100561.DND");
  data_of("50.20261120235026095324.DMzc0.300.00007",
          "data/0/7/50.20261120235026095324.DMzc0.300.000");
  data_of("abc", "data/b/c/a");
  data_of("ab", NULL);
  data_of("", NULL);
  data_of("50.1.7", NULL);
  data_of("50.1/7", NULL);
  data_of("50.17/", NULL);
  memset(longest, '1', sizeof longest - 1);
  longest[JOBNAME_BASE_MAX + 1] = 0;
  data_of(longest, NULL);
  longest[JOBNAME_BASE_MAX] = 0;
  char path[JOBNAME_DATA_MAX + 1];
  tap_is_number((long long)jobname_data(longest, path),
                (long long)JOBNAME_DATA_MAX, "the longest base name");
}

int
main(void)
{
  test_hash();
  test_base();
  test_ranges();
  test_data();
  return tap_done();
}
