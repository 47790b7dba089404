/* What every program does first. */
#ifndef TRAPLINE_LIB_PROCESS_H
#define TRAPLINE_LIB_PROCESS_H

/*
 * Set skalibs' PROG (kept, not copied), see that descriptors 0 to 2 are open
 * (else on /dev/null), close all others, and ignore SIGPIPE and SIGXFSZ, so
 * that a write that cannot succeed says EPIPE or EFBIG.
 */
void process_begin(char const *program);

#endif
