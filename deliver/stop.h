/* SIGTERM, SIGINT and SIGHUP end a program between two steps of its work, and
 * never in one. */
#ifndef TRAPLINE_DELIVER_STOP_H
#define TRAPLINE_DELIVER_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* From here on they wait to be asked for. */
void stop_begin(void);

/* Whether one of them has come, or comes within so long. Keeps errno. */
bool stop_wanted(uint32_t wait_s);

#endif
