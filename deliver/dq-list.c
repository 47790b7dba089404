/* dq-list: says which jobs a directory queue has. dq-list(1),
 * trapline-queue(5). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "deliver/listing.h"
#include "lib/exitcode.h"
#include "lib/joblist.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "dq-list --dir directory [--count] [--json | --null] [--state state] "       \
  "[--meta key=value] [--older seconds]"

enum form { FORM_TEXT, FORM_JSON, FORM_NULL };

struct query {
  char const *directory;
  enum form form;
  bool count_only;
  int state; /* enum listing_state, or -1: all of queue/ */
  char *key; /* NULL: any metadata */
  char const *value;
  uint64_t older_s;
};

/* What a pass over the jobs does with each that is wanted. */
typedef void show(struct query const *query, struct listing const *job,
                  uint64_t number);

static bool
is_wanted(struct query const *query, struct listing const *job, int state)
{
  struct metadata const *line;
  if (state >= 0 && job->state != (enum listing_state)state)
    return false;
  if (query->older_s &&
      job->record.seconds > (int64_t)time(NULL) - (int64_t)query->older_s)
    return false;
  if (!query->key)
    return true;
  line = !job->parsed ? NULL : jobrecord_find(&job->record, query->key);
  return line && line->value_bytes == strlen(query->value) &&
         !memcmp(line->value, query->value, line->value_bytes);
}

/* Go through a directory of jobs in order; returns how many were wanted. */
static uint64_t
visit(struct query const *query, struct listing_queue *queue,
      char const *directory, int state, show *show_job)
{
  static struct listing job;
  struct joblist list;
  uint64_t number = 0;
  int fd = openat(queue->root, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    return 0;
  joblist_start(&list, true);
  list.fans = !strcmp(directory, "queue");
  do {
    if (fd < 0 || joblist_load(&list, fd) == -1)
      strerr_diefusys(EXIT_TEMPORARY, "read ", query->directory, "/",
                      directory);
    for (char const *name; (name = joblist_next(&list));) {
      if (!listing_read(&job, queue, directory, name) ||
          !is_wanted(query, &job, state))
        continue;
      number++;
      if (show_job)
        show_job(query, &job, number);
    }
  } while (list.more);
  joblist_end(&list);
  close(fd);
  return number;
}

static void
show_text(struct query const *query, struct listing const *job, uint64_t number)
{
  (void)query;
  listing_text(job, number);
}

static void
show_json(struct query const *query, struct listing const *job, uint64_t number)
{
  (void)query;
  (void)number;
  listing_json(job);
}

static void
show_null(struct query const *query, struct listing const *job, uint64_t number)
{
  (void)number;
  printf("%s/%s/%s%c", query->directory, job->directory, job->name, 0);
}

/* The sections of the text, each left out when it is empty. */
static void
list_text(struct query const *query, struct listing_queue *queue)
{
  static struct {
    int state; /* enum listing_state */
    char const *directory, *heading;
  } const sections[] = {{LISTING_ACTIVE, "queue", "active"},
                        {LISTING_QUEUED, "queue", "queued"},
                        {LISTING_DAMAGED, "queue", "damaged"},
                        {LISTING_DEFERRED, "deferred", "deferred"},
                        {LISTING_FAILED, "failed", "failed"}};
  printf(
      "Jobs: active: %llu  queued: %llu\n",
      (unsigned long long)visit(query, queue, "queue", LISTING_ACTIVE, NULL),
      (unsigned long long)visit(query, queue, "queue", LISTING_QUEUED, NULL));
  if (query->count_only)
    return;
  printf("\n");
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
    int state = sections[i].state;
    if (query->state >= 0 ? state != query->state : state > LISTING_DAMAGED)
      continue;
    if (!visit(query, queue, sections[i].directory, state, NULL))
      continue;
    printf("%s:\n", sections[i].heading);
    visit(query, queue, sections[i].directory, state, show_text);
    printf("\n");
  }
}

static void
show_all(struct query const *query, struct listing_queue *queue)
{
  char const *directory = query->state == LISTING_DEFERRED ? "deferred"
                          : query->state == LISTING_FAILED ? "failed"
                                                           : "queue";
  if (query->form == FORM_TEXT || query->count_only)
    list_text(query, queue);
  else
    visit(query, queue, directory, query->state,
          query->form == FORM_JSON ? show_json : show_null);
  if (fflush(stdout) == EOF || ferror(stdout))
    strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
}

static int
state_option(char const *text)
{
  int state = listing_state(text);
  if (state < 0)
    strerr_dief(EXIT_PERMANENT, "no state of a job: ", text);
  return state;
}

static void
meta_option(struct query *query, char *text)
{
  char *equals = strchr(text, '=');
  if (!equals)
    strerr_dief(EXIT_PERMANENT, "not key=value: ", text);
  *equals = 0;
  query->key = text;
  query->value = equals + 1;
}

static void
read_options(int argc, char **argv, struct query *query)
{
  static struct option const options[] = {
      {"dir", required_argument, NULL, 'd'},
      {"count", no_argument, NULL, 'c'},
      {"json", no_argument, NULL, 'j'},
      {"null", no_argument, NULL, '0'},
      {"state", required_argument, NULL, 's'},
      {"meta", required_argument, NULL, 'm'},
      {"older", required_argument, NULL, 'o'},
      {NULL, 0, NULL, 0}};
  int option;
  opterr = 0;
  while ((option = getopt_long_only(argc, argv, "c0", options, NULL)) != -1) {
    if (option == 'd')
      query->directory = optarg;
    else if (option == 'c')
      query->count_only = true;
    else if (option == 'j' || option == '0')
      query->form = option == 'j' ? FORM_JSON : FORM_NULL;
    else if (option == 's')
      query->state = state_option(optarg);
    else if (option == 'm')
      meta_option(query, optarg);
    else if (option != 'o' || !uint640_scan(optarg, &query->older_s) ||
             query->older_s > INT64_MAX / 2)
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (!query->directory || optind < argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
}

int
main(int argc, char **argv)
{
  static struct listing_queue queue;
  struct query query = {.state = -1};
  process_begin("dq-list");
  signal(SIGPIPE, SIG_DFL); /* whoever reads may have seen enough */
  read_options(argc, argv, &query);
  if (listing_open(&queue, query.directory) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "open ", query.directory);
  show_all(&query, &queue);
  return EXIT_DONE;
}
