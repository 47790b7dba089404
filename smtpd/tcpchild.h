/* What a child of trap-tcpserver does with its connection: the session that is
 * built in, or another program. */
#ifndef TRAPLINE_SMTPD_TCPCHILD_H
#define TRAPLINE_SMTPD_TCPCHILD_H

#include <stdbool.h>
#include <sys/socket.h>

#define TCPCHILD_VARIABLES_MAX 1000 /* in the environment */
#define TCPCHILD_BUILT_IN "trap-smtpd"

struct tcpchild {
  char const *rules;   /* a file of tcprules(1); NULL: everybody is let in */
  bool rules_optional; /* likewise where it is not there */
  char **program;
  char *variables[TCPCHILD_VARIABLES_MAX];
};

/* In the parent, once: name is TCPLOCALHOST, or NULL. false: it is too long, or
 * the environment too large. child is kept. */
bool tcpchild_begin(struct tcpchild *child, char const *name);

/* In the parent, before each: have what the built-in session needs. A change
 * of the control files holds for the next child; where more than 100 a second
 * are started, for those that start 10 ms after it. */
void tcpchild_refresh(void);

/* In the child, its connection on descriptors 0 and 1, from's. */
void tcpchild_run(struct tcpchild const *child,
                  struct sockaddr_storage const *from)
    __attribute__((noreturn));

#endif
