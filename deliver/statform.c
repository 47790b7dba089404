#include "deliver/statform.h"

#include <stdio.h>
#include <string.h>

#include "deliver/field.h"

static double
rate(uint64_t jobs, int64_t window_ms)
{
  return (double)jobs * 1000 / (double)window_ms;
}

static void
print_lines(struct queuestat const *stats, size_t n, int64_t window_ms)
{
  for (struct queuestat const *stat = stats; stat < stats + n; stat++) {
    printf("waiting=%llu", (unsigned long long)stat->waiting);
    field_number("active", stat->active);
    field_number("deferred", stat->deferred);
    field_number("failed", stat->failed);
    field_number("bytes", stat->bytes);
    field_number("oldest", stat->oldest_s);
    if (window_ms)
      printf(" in=%.3f out=%.3f", rate(stat->in, window_ms),
             rate(stat->out, window_ms));
    field_string("queue", stat->directory);
    putchar('\n');
  }
}

/* The queue's name is last: only it has no bound. */
static void
print_table(struct queuestat const *stats, size_t n, int64_t window_ms)
{
  printf("%9s %7s %9s %9s %14s %9s", "waiting", "active", "deferred", "failed",
         "bytes", "oldest");
  if (window_ms)
    printf(" %9s %9s", "in/s", "out/s");
  printf(" queue\n");
  for (struct queuestat const *stat = stats; stat < stats + n; stat++) {
    printf("%9llu %7llu %9llu %9llu %14llu %9llu",
           (unsigned long long)stat->waiting, (unsigned long long)stat->active,
           (unsigned long long)stat->deferred, (unsigned long long)stat->failed,
           (unsigned long long)stat->bytes, (unsigned long long)stat->oldest_s);
    if (window_ms)
      printf(" %9.3f %9.3f", rate(stat->in, window_ms),
             rate(stat->out, window_ms));
    field_value(stat->directory);
    putchar('\n');
  }
}

/* A label must be UTF-8: other bytes than ASCII's, and control characters, come
 * out as a backslash, x and two digits. */
static void
print_label(char const *directory)
{
  printf("{queue=\"");
  for (char const *p = directory; *p; p++) {
    unsigned char c = (unsigned char)*p;
    if (c == '\n')
      printf("\\n");
    else if (c == '"' || c == '\\')
      printf("\\%c", c);
    else if (c < 0x20 || c > 0x7e)
      printf("\\\\x%02x", c);
    else
      putchar(c);
  }
  putchar('"');
}

static void
print_family(char const *name, char const *help)
{
  printf("# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void
print_jobs(struct queuestat const *stat)
{
  struct {
    char const *state;
    uint64_t jobs;
  } const states[] = {{"waiting", stat->waiting},
                      {"active", stat->active},
                      {"deferred", stat->deferred},
                      {"failed", stat->failed}};
  for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
    printf("trapline_queue_jobs");
    print_label(stat->directory);
    printf(",state=\"%s\"} %llu\n", states[i].state,
           (unsigned long long)states[i].jobs);
  }
}

static void
print_rates(struct queuestat const *stats, size_t n, int64_t window_ms)
{
  static char const in[] = "trapline_queue_in_jobs_per_second";
  static char const out[] = "trapline_queue_out_jobs_per_second";
  print_family(in, "Jobs that came in.");
  for (size_t i = 0; i < n; i++) {
    printf("%s", in);
    print_label(stats[i].directory);
    printf("} %.3f\n", rate(stats[i].in, window_ms));
  }
  print_family(out, "Jobs that were removed.");
  for (size_t i = 0; i < n; i++) {
    printf("%s", out);
    print_label(stats[i].directory);
    printf("} %.3f\n", rate(stats[i].out, window_ms));
  }
}

static void
print_metrics(struct queuestat const *stats, size_t n, int64_t window_ms)
{
  print_family("trapline_queue_jobs", "Jobs by state.");
  for (size_t i = 0; i < n; i++)
    print_jobs(stats + i);
  print_family("trapline_queue_bytes", "Bytes of all messages.");
  for (size_t i = 0; i < n; i++) {
    printf("trapline_queue_bytes");
    print_label(stats[i].directory);
    printf("} %llu\n", (unsigned long long)stats[i].bytes);
  }
  print_family("trapline_queue_oldest_seconds",
               "Age of the oldest job that waits or is active; 0 if none.");
  for (size_t i = 0; i < n; i++) {
    printf("trapline_queue_oldest_seconds");
    print_label(stats[i].directory);
    printf("} %llu\n", (unsigned long long)stats[i].oldest_s);
  }
  if (window_ms)
    print_rates(stats, n, window_ms);
}

void
statform_print(enum statform form, struct queuestat const *stats, size_t n,
               int64_t window_ms)
{
  switch (form) {
  case STATFORM_LINES:
    print_lines(stats, n, window_ms);
    break;
  case STATFORM_TABLE:
    print_table(stats, n, window_ms);
    break;
  case STATFORM_METRICS:
    print_metrics(stats, n, window_ms);
    break;
  }
}
