/* feed-mbox: the messages of an mbox file through a pipeline. feed-mbox(1). */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <skalibs/strerr.h>

#include "deliver/bar.h"
#include "deliver/feed.h"
#include "deliver/mboxreader.h"
#include "lib/exitcode.h"
#include "lib/process.h"
#include "lib/spool.h"

#define USAGE                                                                  \
  "feed-mbox " FEED_USAGE " [-d directory] file [--] [program [argument ...]]"
#define NAME_MAX_BYTES 300

/* One message. Whether there may be more. */
static bool
send_next(struct feed *feed, struct mboxreader *reader, char const *path)
{
  static struct spool spool;
  int fd;
  char name[NAME_MAX_BYTES];
  snprintf(name, sizeof name, "%.250s:%llu", path,
           (unsigned long long)feed->verdicts.all + 1);
  spool_begin(&spool, feed->directory, UINT64_MAX);
  enum mboxreader_result result = mboxreader_next(reader, &spool);
  switch (result) {
  case MBOXREADER_END:
    break;
  case MBOXREADER_NO_MBOX:
    strerr_dief(EXIT_PERMANENT, "no mbox file: ", path);
  case MBOXREADER_READ_ERROR:
    feed_trouble(feed, "error: unable to read a message", name);
    break;
  case MBOXREADER_WRITE_ERROR:
    strerr_diefusys(EXIT_TEMPORARY, "write a spool file in ", feed->directory);
  case MBOXREADER_MESSAGE:
    fd = spool_file(&spool);
    if (fd == -1)
      strerr_diefusys(EXIT_TEMPORARY, "write a spool file in ",
                      feed->directory);
    feed_send(feed, fd, spool.bytes, name, reader->sender);
    break;
  }
  spool_clear(&spool);
  return result == MBOXREADER_MESSAGE;
}

int
main(int argc, char **argv)
{
  static struct feed feed = {.limit_s = 300};
  static struct mboxreader reader;
  struct stat status;
  process_begin("feed-mbox");
  feed.directory = spool_default();
  int first = feed_options(&feed, argc, argv);
  if (first < 0 || first >= argc)
    strerr_dieusage(EXIT_PERMANENT, USAGE);
  char const *path = argv[first];
  reader.fd = open(path, O_RDONLY | O_CLOEXEC);
  if (reader.fd < 0 || fstat(reader.fd, &status) == -1)
    strerr_diefusys(EXIT_TEMPORARY, "open ", path);
  feed_start(&feed, argv + first + 1);
  while (feed_goes_on(&feed) && send_next(&feed, &reader, path))
    bar_show(reader.read, (uint64_t)status.st_size, feed.verdicts.all);
  return feed_finish(&feed);
}
