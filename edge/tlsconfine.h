/* What a process that reads a stranger's TLS may still do. */
#ifndef TRAPLINE_EDGE_TLSCONFINE_H
#define TRAPLINE_EDGE_TLSCONFINE_H

/* Whether the kernel has seccomp(2) for this machine. 1 or 0. */
int tlsconfine_filters(void);

/*
 * From here on this process uses the descriptors and the memory that it has,
 * and ends. No new descriptor, no new process, no core; and where there are
 * filters no other system call at all: EPERM. That nobody traces us comes from
 * the service.
 */
void tlsconfine(void);

#endif
