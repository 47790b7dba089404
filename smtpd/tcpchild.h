/* What a child of trap-tcpserver does with its connection: the session that is
 * built in, or another program. */
#ifndef TRAPLINE_SMTPD_TCPCHILD_H
#define TRAPLINE_SMTPD_TCPCHILD_H

#include <stdbool.h>
#include <sys/socket.h>

#define TCPCHILD_BUILT_IN "trap-smtpd"

struct tcpchild {
  char const *rules;   /* a file of tcprules(1); NULL: everybody is let in */
  bool rules_optional; /* likewise where it is not there */
  bool single;         /* each process serves one client */
  char **program;
};

/* In the parent, once: name is TCPLOCALHOST, or NULL. false: it is too long, or
 * the environment too large. */
bool tcpchild_begin(struct tcpchild const *child, char const *name);

/* In the parent: whether more than 100 clients a second come, so that a child
 * is to serve several, one after the other. */
bool tcpchild_hurries(struct tcpchild const *child);

/* In the parent, before it starts a child, or several where it hurries: read
 * the control files, if the session is built in. A change of them holds for the
 * next child; where more than 100 a second are started, for those that start 10
 * ms after it. */
void tcpchild_refresh(bool hurries);

/* In the child, the connection on descriptors 0 and 1: serve from. listening:
 * the socket from which it may take other clients afterwards; -1: it ends. */
void tcpchild_run(struct tcpchild const *child,
                  struct sockaddr_storage const *from, int listening,
                  pid_t parent) __attribute__((noreturn));

#endif
