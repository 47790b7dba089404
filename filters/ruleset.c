#include "filters/ruleset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/address.h"

static void
report(struct ruleset *set, uint32_t line, char const *event,
       char const *problem)
{
  set->reporter.report(set->reporter.data, line, event, problem);
}

static int
same_text(struct ruleimage_head const *head, struct stat const *text)
{
  return head->text_bytes == (uint64_t)text->st_size &&
         head->text_mtime_s == text->st_mtim.tv_sec &&
         head->text_mtime_ns == text->st_mtim.tv_nsec;
}

/* The loaders below return NULL, or why the image cannot be used. */

static char const *
load_regexes(struct ruleset *set)
{
  size_t const n = set->head.regexes;
  char const *p = set->record + sizeof set->head;
  char const *text = p + n * sizeof(struct ruleimage_line);
  char const *end = text + set->head.line_bytes;
  char const *patterns = set->record + ruleimage_pattern_offset(&set->head);
  set->code = calloc(n + 1, sizeof *set->code);
  set->regex = calloc(n + 1, sizeof *set->regex);
  if (!set->code || !set->regex)
    return "out of memory";
  if (n &&
      pcre2_serialize_decode(set->code, (int32_t)n, (uint8_t const *)patterns,
                             NULL) != (int32_t)n)
    return "made for another PCRE2";
  for (size_t i = 0; i < n; i++) {
    struct ruleset_regex *regex = &set->regex[i];
    memcpy(&regex->line, p + i * sizeof regex->line, sizeof regex->line);
    regex->code = set->code[i];
    regex->text = text;
    if (regex->line.bytes > RULE_LINE_MAX ||
        regex->line.bytes > (size_t)(end - text))
      return "damaged";
    text += regex->line.bytes;
  }
  return NULL;
}

static char const *
load_head(struct ruleset *set)
{
  struct ruleimage_head *head = &set->head;
  uint64_t data;
  uint32_t n;
  if (rulecdb_find(&set->database, "", 0, &data, &n) <= 0 || n < sizeof *head)
    return "damaged";
  set->record = malloc(n);
  if (!set->record)
    return "out of memory";
  if (!rulecdb_read(&set->database, data, set->record, n))
    return "damaged";
  memcpy(head, set->record, sizeof *head);
  if (head->magic != RULEIMAGE_MAGIC)
    return "made by another version or kind of machine";
  memset(set->record + offsetof(struct ruleimage_head, checksum), 0,
         sizeof head->checksum);
  if (head->checksum !=
          ruleimage_checksum(set->record, n, set->database.table) ||
      head->image_bytes != set->database.size ||
      ruleimage_pattern_offset(head) + head->pattern_bytes != n)
    return "damaged";
  return NULL;
}

/* Forget what was loaded, but not the reporter and the file's name. */
static void
unload(struct ruleset *set)
{
  for (size_t i = 0; set->code && i < set->head.regexes; i++)
    pcre2_code_free(set->code[i]);
  free(set->code);
  free(set->regex);
  free(set->record);
  free(set->image);
  if (set->database.fd >= 0)
    close(set->database.fd);
  set->code = NULL;
  set->regex = NULL;
  set->record = NULL;
  set->image = NULL;
  set->database.fd = -1;
}

static char const *
load_compiled(struct ruleset *set, int fd, struct stat const *text)
{
  struct stat status;
  set->database.fd = fd;
  if (fstat(fd, &status) < 0)
    return "unreadable";
  if (!S_ISREG(status.st_mode))
    return "no regular file";
  if (status.st_mode & (S_IWGRP | S_IWOTH))
    return "others may write to it";
  if (!rulecdb_open(&set->database, NULL, fd, (uint64_t)status.st_size))
    return "damaged";
  char const *problem = load_head(set);
  if (problem)
    return problem;
  if (!same_text(&set->head, text))
    return "stale: run rcptcheck-compile again";
  return load_regexes(set);
}

/* 1 if the compiled form is there, good, and made from this text. */
static int
use_compiled(struct ruleset *set, struct stat const *text)
{
  char path[RULESET_PATH_MAX + sizeof RULESET_CDB_SUFFIX];
  snprintf(path, sizeof path, "%s" RULESET_CDB_SUFFIX, set->file);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT)
    return 0;
  char const *problem = fd < 0 ? strerror(errno) : load_compiled(set, fd, text);
  if (problem) {
    unload(set);
    report(set, 0, "compiled rules not used", problem);
    return 0;
  }
  if (!set->head.rules)
    report(set, 0, "no rules", "every recipient passes");
  return 1;
}

char *
ruleset_text(char const *file, struct stat *status)
{
  int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return NULL;
  char *text = NULL;
  size_t done = 0;
  ssize_t r = -1;
  errno = EINVAL;
  if (fstat(fd, status) == 0 && S_ISREG(status->st_mode))
    text = malloc((size_t)status->st_size + 1);
  while (text && done < (size_t)status->st_size) {
    r = read(fd, text + done, (size_t)status->st_size - done);
    if (r < 0 && errno == EINTR)
      continue;
    if (r <= 0)
      break;
    done += (size_t)r;
  }
  if (text && done < (size_t)status->st_size) {
    if (r == 0) /* cut short while it was read */
      errno = EAGAIN;
    free(text);
    text = NULL;
  }
  int error = errno;
  close(fd);
  errno = error;
  return text;
}

/* 1, or 0 with errno. */
static int
use_text(struct ruleset *set)
{
  struct stat status;
  struct rulecdb_maker maker;
  char *text = ruleset_text(set->file, &status);
  if (!text)
    return 0;
  int made = ruleimage_make(text, (size_t)status.st_size, &status,
                            &set->reporter, &maker);
  free(text);
  if (!made)
    return 0;
  set->image = maker.bytes;
  free(maker.entry);
  if (rulecdb_open(&set->database, set->image, -1, maker.used) &&
      !load_head(set) && !load_regexes(set))
    return 1;
  unload(set);
  errno = ENOMEM;
  return 0;
}

int
ruleset_load(struct ruleset *set, char const *file,
             struct ruleimage_reporter const *reporter)
{
  struct stat text;
  *set = (struct ruleset){
      .file = file, .reporter = *reporter, .database = {.fd = -1}};
  if (strlen(file) > RULESET_PATH_MAX) {
    errno = ENAMETOOLONG;
    return 0;
  }
  if (stat(file, &text) < 0 || !ruleregex_init(&set->matcher))
    return 0;
  if ((S_ISREG(text.st_mode) && use_compiled(set, &text)) || use_text(set))
    return 1;
  ruleregex_free(&set->matcher);
  return 0;
}

void
ruleset_free(struct ruleset *set)
{
  unload(set);
  ruleregex_free(&set->matcher);
}

/* A search for the first rule of one mailbox. */
struct search {
  struct ruleset *set;
  struct ruleset_hit *hit; /* number UINT32_MAX: none yet */
  enum rule_kind kind;     /* of the hit */
  char const *key;         /* of the hit, if it is no regex */
  size_t key_bytes;
};

/* 1, or -1 with errno. */
static int
look_up(struct search *search, enum rule_kind kind, char const *text, size_t n)
{
  char key[1 + ADDRESS_MAX];
  char found[RULE_LINE_MAX];
  struct ruleimage_line line;
  struct ruleset_hit *hit = search->hit;
  struct rulecdb const *database = &search->set->database;
  uint64_t data;
  uint32_t data_bytes;
  key[0] = ruleimage_key(kind);
  memcpy(key + 1, text, n);
  int r = rulecdb_find(database, key, 1 + n, &data, &data_bytes);
  if (r <= 0)
    return r < 0 ? -1 : 1;
  errno = EPROTO;
  if (data_bytes < sizeof line ||
      !rulecdb_read(database, data, &line, sizeof line) ||
      line.bytes != data_bytes - sizeof line || line.bytes > RULE_LINE_MAX ||
      !rulecdb_read(database, data + sizeof line, found, line.bytes))
    return -1;
  if (line.check != ruleimage_check(line.number, found, line.bytes))
    return -1;
  if (line.number >= hit->number)
    return 1;
  hit->number = line.number;
  hit->line_bytes = line.bytes;
  memcpy(hit->line, found, line.bytes);
  search->kind = kind;
  search->key = text;
  search->key_bytes = n;
  return 1;
}

static int
look_up_all(struct search *search, char const *mailbox, size_t n, size_t at)
{
  struct ruleimage_head const *head = &search->set->head;
  char const *end = mailbox + n;
  if (look_up(search, RULE_ADDRESS, mailbox, n) < 0)
    return -1;
  if (at >= n)
    return 1;
  char const *domain = mailbox + at + 1;
  if (head->domains &&
      look_up(search, RULE_DOMAIN, domain, (size_t)(end - domain)) < 0)
    return -1;
  while (head->longest_tree) {
    size_t left = (size_t)(end - domain);
    if (left <= head->longest_tree &&
        look_up(search, RULE_TREE, domain, left) < 0)
      return -1;
    domain = memchr(domain, '.', left);
    if (!domain)
      break;
    domain++;
  }
  return 1;
}

static void
try_regexes(struct search *search, char const *mailbox, size_t n)
{
  struct ruleset *set = search->set;
  struct ruleset_hit *hit = search->hit;
  for (size_t i = 0; i < set->head.regexes; i++) {
    struct ruleset_regex const *regex = &set->regex[i];
    char const *problem;
    if (regex->line.number >= hit->number)
      return;
    if (i == 0)
      ruleregex_begin(&set->matcher);
    if (ruleregex_is_late(&set->matcher)) {
      report(set, regex->line.number, "this and later regexes not tried",
             "time limit");
      return;
    }
    int r = ruleregex_match(&set->matcher, regex->code, mailbox, n, &problem);
    if (r < 0)
      report(set, regex->line.number, "regex gave up", problem);
    if (r <= 0)
      continue;
    hit->number = regex->line.number;
    hit->line_bytes = regex->line.bytes;
    memcpy(hit->line, regex->text, regex->line.bytes);
    search->kind = RULE_REGEX;
    return;
  }
}

static int
find_once(struct ruleset *set, char const *mailbox, size_t n, size_t at,
          struct ruleset_hit *hit)
{
  char const *problem;
  struct search search = {.set = set, .hit = hit};
  hit->number = UINT32_MAX;
  if (look_up_all(&search, mailbox, n, at) < 0)
    return -1;
  try_regexes(&search, mailbox, n);
  if (hit->number == UINT32_MAX)
    return 0;
  struct rule *rule = &hit->rule;
  if (rule_parse(hit->line, hit->line_bytes, rule, &problem) == RULE_READ &&
      rule->kind == search.kind &&
      (rule->kind == RULE_REGEX ||
       (rule->key_bytes == search.key_bytes &&
        !memcmp(rule->key, search.key, search.key_bytes))))
    return 1;
  errno = EPROTO;
  return -1;
}

int
ruleset_find(struct ruleset *set, char const *mailbox, size_t n, size_t at,
             struct ruleset_hit *hit)
{
  if (set->record) {
    int r = find_once(set, mailbox, n, at, hit);
    if (r >= 0 || set->image)
      return r;
    report(set, 0, "compiled rules not used",
           errno == EPROTO ? "damaged" : strerror(errno));
    unload(set);
  }
  return use_text(set) ? find_once(set, mailbox, n, at, hit) : -1;
}
