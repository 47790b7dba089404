#include "edge/tlsconfine.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define NO_MORE_FILES 3 /* 0 to 2 are taken; poll asks that it be no less */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0
#endif

#define LOAD(field)                                                            \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)
#define ALLOW(name)                                                            \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                       \
      ANSWER(SECCOMP_RET_ALLOW)
#define DENY ANSWER(SECCOMP_RET_ERRNO | EPERM)
/* Memory, but none to put code into. */
#define ALLOW_DATA(name)                                                       \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 4), LOAD(args[2]),        \
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), DENY,             \
      ANSWER(SECCOMP_RET_ALLOW)

/* What the relay, OpenSSL and the C library's malloc() need. A call that
 * another version of them asks for is refused, and no more: all have something
 * else to fall back on, or fail as they do for want of memory. */
static struct sock_filter rules[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    DENY,
    LOAD(nr),
    ALLOW(read),
    ALLOW(write),
    ALLOW(recvfrom),
    ALLOW(sendto),
    ALLOW(sendmsg),
#ifdef SYS_poll
    ALLOW(poll),
#endif
    ALLOW(ppoll),
    ALLOW(close),
    ALLOW(shutdown),
    ALLOW(fcntl),
    ALLOW(setsockopt),
    ALLOW(brk),
    ALLOW(munmap),
    ALLOW(mremap),
    ALLOW(madvise),
    ALLOW(futex),
    ALLOW(getrandom),
    ALLOW(getpid),
    ALLOW(clock_gettime),
    ALLOW(gettimeofday),
#ifdef SYS_time
    ALLOW(time),
#endif
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(sigaltstack),
    ALLOW(restart_syscall),
    ALLOW(exit_group),
    ALLOW_DATA(mmap),
    ALLOW_DATA(mprotect),
    DENY,
};

int
tlsconfine_filters(void)
{
  return ARCHITECTURE && prctl(PR_GET_SECCOMP) >= 0;
}

void
tlsconfine(void)
{
  struct sock_fprog const program = {sizeof rules / sizeof *rules, rules};
  struct rlimit const files = {NO_MORE_FILES, NO_MORE_FILES};
  struct rlimit const none = {0, 0};
  setrlimit(RLIMIT_NOFILE, &files);
  setrlimit(RLIMIT_NPROC, &none);
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (tlsconfine_filters())
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
