/* The X-Spam- fields of a header: a client's own are dropped on the way. Pure
 * but for the function it is given. */
#ifndef TRAPLINE_FILTERS_SPAMFIELD_H
#define TRAPLINE_FILTERS_SPAMFIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "filters/header.h"

#define SPAMFIELD_PREFIX "x-spam-"

enum spamfield_place {
  SPAMFIELD_LINE_START,
  SPAMFIELD_KEPT,    /* in a line that goes on */
  SPAMFIELD_DROPPED, /* in one that does not */
  SPAMFIELD_BODY,
};

/* A message on its way. */
struct spamfield {
  enum spamfield_place place;
  bool drops_fold; /* a line that is folded belongs to a dropped field */
  size_t held;     /* bytes at the start of a line that may be the prefix */
  char start[sizeof SPAMFIELD_PREFIX];
};

/* Where what is kept goes. */
struct spamfield_output {
  void (*put)(void *context, char const *bytes, size_t n);
  void *context;
};

void spamfield_begin(struct spamfield *message);

/* The next n bytes of the message. */
void spamfield_drop(struct spamfield *message, char const *bytes, size_t n,
                    struct spamfield_output const *output);

/* The message's end: put what is held. */
void spamfield_end(struct spamfield *message,
                   struct spamfield_output const *output);

/* Put the X-Spam- fields of a header, with LF line ends. One whose end is not
 * in the header is left out. */
void spamfield_copy(struct header const *header,
                    struct spamfield_output const *output);

#endif
