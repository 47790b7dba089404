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
#include <skalibs/stralloc.h>
#include <skalibs/strerr.h>

#include "deliver/listing.h"
#include "lib/exitcode.h"
#include "lib/joblist.h"
#include "lib/jobqueue.h"
#include "lib/option.h"
#include "lib/process.h"

#define USAGE                                                                  \
  "dq-list [--dir] directory [--count] [--json | --null] [--state state] "     \
  "[--meta key=value] [--older seconds]"

enum form { FORM_TEXT, FORM_JSON, FORM_NULL };

struct query {
  char const *directory;
  enum form form;
  bool count_only;
  int state;             /* enum listing_state, or -1: all of queue/ */
  char const *jobs_from; /* a directory of the queue */
  char *key;             /* NULL: any metadata */
  char const *value;
  uint64_t older_s;
};

/* The jobs of queue/, seen in one pass, for the sections of the text. */
struct sections {
  uint64_t count[LISTING_ASIDE + 1];
  stralloc seen; /* of each: its state as one byte, its name, NUL */
};

static bool
is_wanted(struct query const *query, struct listing const *job)
{
  struct metadata const *line;
  if (query->state >= 0 && job->state != (enum listing_state)query->state)
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

/* A directory that a queue may have, or not yet. */
static bool
is_of_queues(char const *name)
{
  return !strcmp(name, "queue") || !strcmp(name, "deferred") ||
         !strcmp(name, "failed");
}

/* Go through a directory of jobs in order, and show each that is wanted. */
static void
visit(struct query const *query, struct listing_queue *queue,
      char const *directory,
      void show_job(void *self, struct listing const *job), void *self)
{
  static struct listing job;
  struct joblist list;
  int fd = openat(queue->root, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    if (!is_of_queues(directory))
      strerr_dief(EXIT_PERMANENT, "no state of a job: ", directory,
                  ", nor is that in ", query->directory);
    return;
  }
  joblist_start(&list, true);
  list.fans = !strcmp(directory, "queue");
  do {
    if (fd < 0 || joblist_load(&list, fd) == -1)
      strerr_diefusys(EXIT_TEMPORARY, "read ", query->directory, "/",
                      directory);
    for (char const *name; (name = joblist_next(&list));)
      if (listing_read(&job, queue, directory, name) && is_wanted(query, &job))
        show_job(self, &job);
  } while (list.more);
  joblist_end(&list);
  close(fd);
}

static void
show_json(void *self, struct listing const *job)
{
  (void)self;
  listing_json(job);
}

static void
show_null(void *self, struct listing const *job)
{
  struct query const *query = self;
  printf("%s/%s/%s%c", query->directory, job->directory, job->name, 0);
}

/* A section whose heading is due with its first job. */
static void
show_section(void *self, struct listing const *job)
{
  uint64_t *number = self;
  if (!*number)
    printf("%s:\n", job->directory);
  listing_text(job, ++*number);
}

static void
note_job(void *self, struct listing const *job)
{
  struct sections *sections = self;
  char const state = (char)job->state;
  sections->count[job->state]++;
  if (!stralloc_catb(&sections->seen, &state, 1) ||
      !stralloc_catb(&sections->seen, job->name, strlen(job->name) + 1))
    strerr_diefusys(EXIT_TEMPORARY, "get memory");
}

static void
list_section(struct sections const *sections, struct listing_queue *queue,
             enum listing_state state, char const *heading)
{
  static struct listing job;
  uint64_t number = 0;
  if (!sections->count[state])
    return;
  printf("%s:\n", heading);
  char const *end = sections->seen.s + sections->seen.len;
  for (char const *p = sections->seen.s; p < end; p += strlen(p + 1) + 2)
    if (*p == (char)state && listing_read(&job, queue, "queue", p + 1))
      listing_text(&job, ++number);
  printf("\n");
}

/* The sections of the text, each left out when it is empty. */
static void
list_sections(struct query const *query, struct listing_queue *queue,
              struct sections const *sections)
{
  uint64_t number = 0;
  printf("\n");
  if (query->state < 0 || query->state == LISTING_ACTIVE)
    list_section(sections, queue, LISTING_ACTIVE, "active");
  if (query->state < 0 || query->state == LISTING_QUEUED)
    list_section(sections, queue, LISTING_QUEUED, "queued");
  if (query->state < 0 || query->state == LISTING_DAMAGED)
    list_section(sections, queue, LISTING_DAMAGED, "damaged");
  if (query->state > LISTING_DAMAGED)
    visit(query, queue, query->jobs_from, show_section, &number);
  if (number)
    printf("\n");
}

/* What is in queue/ is gone through once; its control files are read again to
 * be shown. */
static void
list_text(struct query const *query, struct listing_queue *queue)
{
  struct sections sections = {{0}, STRALLOC_ZERO};
  struct query all = *query;
  all.state = -1;
  visit(&all, queue, "queue", note_job, &sections);
  printf("Jobs: active: %llu  queued: %llu\n",
         (unsigned long long)sections.count[LISTING_ACTIVE],
         (unsigned long long)sections.count[LISTING_QUEUED]);
  if (!query->count_only)
    list_sections(query, queue, &sections);
  stralloc_free(&sections.seen);
}

static void
show_all(struct query *query, struct listing_queue *queue)
{
  if (query->form == FORM_TEXT || query->count_only)
    list_text(query, queue);
  else
    visit(query, queue, query->jobs_from,
          query->form == FORM_JSON ? show_json : show_null, query);
  if (fflush(stdout) == EOF || ferror(stdout))
    strerr_diefusys(EXIT_TEMPORARY, "write to standard output");
}

static void
state_option(struct query *query, char const *text)
{
  query->state = listing_state(text);
  if (query->state < 0)
    strerr_dief(EXIT_PERMANENT, "no state of a job: ", text);
  query->jobs_from = query->state > LISTING_DAMAGED ? text : "queue";
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
      state_option(query, optarg);
    else if (option == 'm')
      meta_option(query, optarg);
    else if (option == 'o')
      query->older_s = option_number("--older", optarg, 0, INT64_MAX / 2);
    else
      strerr_dieusage(EXIT_PERMANENT, USAGE);
  }
  if (!query->directory && optind < argc)
    query->directory = argv[optind++];
  if (!query->directory || optind < argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
}

int
main(int argc, char **argv)
{
  static struct listing_queue queue;
  struct query query = {.state = -1, .jobs_from = "queue"};
  process_begin("dq-list");
  signal(SIGPIPE, SIG_DFL); /* whoever reads may have seen enough */
  read_options(argc, argv, &query);
  jobqueue_doubt(query.directory);
  if (listing_open(&queue, query.directory) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "open ", query.directory);
  show_all(&query, &queue);
  return EXIT_DONE;
}
