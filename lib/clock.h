/*
 * The time, by a system call. Not through the kernel's page of shared code:
 * a process that lives for some milliseconds would pay more for finding the
 * call there, and for the page tables, than it saves.
 */
#ifndef TRAPLINE_LIB_CLOCK_H
#define TRAPLINE_LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of a clock that only goes forward. */
int64_t clock_ms(void);

/* UTC, since 1970. */
void clock_utc(struct timespec *now);

/* This process lives on: the time comes from that page from now on. */
void clock_settle(void);

#endif
