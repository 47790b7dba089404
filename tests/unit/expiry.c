#include "deliver/expiry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

static struct expiry expiry;

static void
start(void)
{
  expiry_clear(&expiry);
  expiry.seed = 1;
}

/* n jobs of a network and a sender, the first so old, each younger by 1. */
static void
add(size_t n, int64_t age_s, uint64_t network, uint64_t sender)
{
  char name[32];
  for (size_t i = 0; i < n; i++) {
    snprintf(name, sizeof name, "50.%05zu", expiry.count);
    expiry_add(&expiry, name, age_s - (int64_t)i);
    struct expiry_job *job = expiry.job + expiry.count - 1;
    job->network = network;
    job->sender = sender;
    job->bytes = 10;
  }
}

/* How many of a network are not among the n that go first. */
static long long
kept(size_t n, uint64_t network)
{
  long long count = 0;
  for (size_t i = n; i < expiry.count; i++)
    count += expiry.job[i].network == network;
  return count;
}

static void
test_order(void)
{
  start();
  expiry_add(&expiry, "50.b", 5);
  expiry_add(&expiry, "50.c", 9);
  expiry_add(&expiry, "50.a", 5);
  expiry_add(&expiry, "50.d", -3);
  expiry_add(&expiry, "50.e", INT64_MAX);
  expiry_sort(&expiry);
  char names[64] = "";
  for (size_t i = 0; i < expiry.count; i++)
    strcat(names, expiry_name(&expiry, expiry.job + i));
  tap_is_string(names, "50.e50.c50.a50.b50.d", "oldest first, then by name");
}

static void
test_rank(void)
{
  start();
  tap_ok(expiry_rank(&expiry, EXPIRY_JOBS), "no jobs");
  add(100, 1000, 1, 1);
  add(3, 5000, 2, 2);
  add(2, 9000, 3, 3);
  tap_ok(expiry_rank(&expiry, EXPIRY_JOBS), "a flood");
  tap_is_number(kept(85, 2) + kept(85, 3), 5, "small ones are kept");
  tap_is_number(expiry.job[0].age_s, 1000, "of the flood the oldest goes");
  tap_is_number((long long)expiry.job[0].weight, 100, "which weighs all of it");
  tap_is_number(kept(99, 1), 2, "until all are as small");
  tap_is_number(kept(102, 3), 1, "and the rest by turns");
  expiry.job[0].gone = true;
  expiry_rank(&expiry, EXPIRY_JOBS);
  tap_is_number((long long)expiry.job[0].weight, 99,
                "what is gone does not count");
}

static void
test_bytes(void)
{
  start();
  add(4, 5000, 1, 1);
  add(2, 1000, 2, 2);
  expiry.job[4].bytes = expiry.job[5].bytes = 100;
  expiry_rank(&expiry, EXPIRY_BYTES);
  tap_is_number((long long)expiry.job[0].weight, 200, "bytes");
  tap_is_number(kept(2, 1), 4, "large messages go before many small ones");
}

static void
test_disguise(void)
{
  start();
  for (uint64_t i = 0; i < 50; i++)
    add(1, 100 + (int64_t)i, 1, 1000 + i); /* one client, many senders */
  for (uint64_t i = 0; i < 50; i++)
    add(1, 100 + (int64_t)i, 1000 + i, 1); /* many clients, one sender */
  add(3, 5000, 2, 2);
  expiry_rank(&expiry, EXPIRY_JOBS);
  tap_is_number(kept(90, 2), 3, "neither disguise takes another's share");
  tap_is_number(kept(90, 1), 5, "both floods have the same");
}

static void
test_clients(void)
{
  static struct {
    char const *one, *other;
    bool same;
  } const rows[] = {
      {"192.0.2.1", "192.0.2.254", true},
      {"192.0.2.1", "192.0.3.1", false},
      {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
      {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
      {"::ffff:192.0.2.7", "192.0.2.9", true},
      {"0.0.0.0", "", false},
      {"::1", "192.0.2.1", false},
      {"unknown", "", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    tap_ok((expiry_network(rows[i].one) == expiry_network(rows[i].other)) ==
               rows[i].same,
           "%s and %s", rows[i].one, rows[i].other);
  tap_ok(expiry_sender(&expiry, "A@b.C", 5) ==
             expiry_sender(&expiry, "a@B.c", 5),
         "senders in upper and lower case");
  tap_ok(expiry_sender(&expiry, "a@b", 3) != expiry_sender(&expiry, "b@a", 3),
         "other senders");
}

int
main(void)
{
  test_order();
  test_rank();
  test_bytes();
  test_disguise();
  test_clients();
  free(expiry.job);
  free(expiry.names);
  return tap_done();
}
