/* What every program does first. */
#ifndef TRAPLINE_LIB_PROCESS_H
#define TRAPLINE_LIB_PROCESS_H

#define PROCESS_LOCKS_MAX 12 /* descriptors, from 3 */

/*
 * Set skalibs' PROG (kept, not copied), see that descriptors 0 to 2 are open
 * (else on /dev/null), close all others but locks, and ignore SIGPIPE and
 * SIGXFSZ, so that a write that cannot succeed says EPIPE or EFBIG. SIGCHLD is
 * not ignored, whoever has started us.
 */
void process_begin(char const *program);

/* The same, but what is open from 3 on stays so in this process, for who
 * started us may rest on it (setlock); it is closed by exec. */
void process_begin_holding(char const *program);

/* Close all descriptors from first on, at least 3. */
void process_close(unsigned int first);

/* Give SIGTERM, SIGINT and SIGHUP to handler, one at a time; calls that they
 * come into go on. */
void process_on_end(void (*handler)(int number));

/* How many locks on the connection we hold for the programs before us: $IPLIMIT
 * says it, in the descriptors from 3 on, regular files, which process_begin()
 * has made close-on-exec. What is not so is no lock, nor what is behind it. */
unsigned int process_locks(void);

#endif
