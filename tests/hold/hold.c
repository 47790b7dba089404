/* hold: holds up processes of its PID namespace, one after the other, for as
 * long as it lives. tests/hold/run says what for. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 4096
#define NEWEST 24 /* what is new begins, hands over, or ends */

static int
compare(void const *one, void const *other)
{
  pid_t a = *(pid_t const *)one, b = *(pid_t const *)other;
  return (a > b) - (a < b);
}

/* All but the first, in order. How many there are. */
static size_t
list(pid_t processes[PROCESSES_MAX])
{
  size_t n = 0;
  DIR *directory = opendir("/proc");
  if (!directory)
    return 0;
  for (struct dirent *entry;
       n < PROCESSES_MAX && (entry = readdir(directory));) {
    pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (isdigit((unsigned char)entry->d_name[0]) && pid > 1)
      processes[n++] = pid;
  }
  closedir(directory);
  qsort(processes, n, sizeof *processes, compare);
  return n;
}

/* Who traces others would wait for us, and we for him. */
static bool
is_exempt(pid_t pid)
{
  static char const *const exempt[] = {"hold\n", "prove\n", "strace\n",
                                       "gdb\n"};
  char path[64], name[64] = "";
  snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, name, sizeof name - 1) <= 0)
    strcpy(name, exempt[0]); /* gone */
  if (fd >= 0)
    close(fd);
  for (size_t i = 0; i < sizeof exempt / sizeof *exempt; i++)
    if (!strcmp(name, exempt[i]))
      return true;
  return false;
}

static void
pause_ms(int milliseconds)
{
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&time, NULL);
}

/* Not by SIGSTOP: its parent hears nothing of this. */
static void
hold(pid_t pid, int milliseconds)
{
  int status = 0;
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
    return;
  if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 &&
      waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
    bool is_ours = status >> 16; /* else a signal came before */
    pause_ms(milliseconds);
    ptrace(PTRACE_DETACH, pid, 0, is_ours ? 0L : (long)WSTOPSIG(status));
  }
  while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
    continue;
}

int
main(int argc, char **argv)
{
  static pid_t processes[PROCESSES_MAX];
  int most_ms = argc == 3 ? atoi(argv[1]) : 0;
  int gap_ms = argc == 3 ? atoi(argv[2]) : 0;
  if (most_ms < 1 || gap_ms < 1) {
    fputs("hold: usage: hold most_ms gap_ms\n", stderr);
    return 100;
  }
  srand((unsigned int)getpid());
  for (;;) {
    size_t n = list(processes);
    size_t among = n > NEWEST && rand() % 10 < 7 ? NEWEST : n;
    pid_t pid = n ? processes[n - 1 - (size_t)rand() % among] : 0;
    if (pid && !is_exempt(pid))
      hold(pid, 1 + rand() % most_ms);
    pause_ms(1 + rand() % gap_ms);
  }
}
