/* What trap-smtpd reads from its control directory and command line. */
#ifndef TRAPLINE_SMTPD_CONFIG_H
#define TRAPLINE_SMTPD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/stagelist.h"
#include "smtpd/persona.h"

#define CONFIG_NAME_MAX 255 /* bytes in a name or greeting */

#define CONFIG_EVIDENCE_MAX 255

struct config {
  char me[CONFIG_NAME_MAX + 1];
  char greeting[CONFIG_NAME_MAX + 1];
  uint64_t data_bytes;      /* a message, as stored; 0: no limit */
  uint64_t recipients_max;  /* accepted in one transaction */
  uint64_t line_bytes;      /* a command with its line end */
  uint64_t junk_max;        /* commands that get nowhere, in a row */
  uint64_t idle_s;          /* the client says nothing, or takes nothing */
  uint64_t session_s;       /* the whole connection */
  uint64_t bytes_per_s;     /* least average rate of a body; 0: no limit */
  uint64_t pipeline_s;      /* the pipeline's time for one answer */
  uint64_t pool_s;          /* the wait for a pipeline of the pool */
  bool strict;              /* addresses by the letter of RFC 5321 */
  char pool[108];           /* trap-pool's socket; empty: stages are spawned */
  char tls[108];            /* trap-tlsd's socket; empty: no STARTTLS */
  char *evidence;           /* a directory; NULL: none is kept */
  uint64_t evidence_max;    /* bytes of one transcript */
  bool authbait;            /* AUTH is offered; */
  uint64_t authbait_nth;    /* this try succeeds; 0: none */
  bool xclient;             /* control/xclient is there */
  struct persona *persona;  /* NULL: replies are our own */
  struct stagelist *stages; /* NULL with a pool */
};

/* Room for a command line of any allowed line_bytes. */
#define CONFIG_LINE_MAX 6000

/*
 * Read the control files. command: the pipeline's one stage, or NULL: see
 * stagelist_read(). Neither is needed where control/pool is there. Returns 1,
 * or 0 with *reason, which names the file and stays valid.
 */
int config_read(struct config *config, char **command, char const **reason);

/* Free what config_read() has read, or tried to. */
void config_free(struct config *config);

/* There is no configuration: the client hears that it may come back, on
 * descriptor 1; what it has said on 0 is dropped, for a close with input unread
 * is a reset, which can overtake the reply. The log hears why. Returns the exit
 * code. */
int config_refuse(char const *reason);

#endif
