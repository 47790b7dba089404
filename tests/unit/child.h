/* A function that reads descriptor 0 and writes 1 and 2, run in a child. */
#ifndef TRAPLINE_TESTS_UNIT_CHILD_H
#define TRAPLINE_TESTS_UNIT_CHILD_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_TEXT_MAX 500000

struct child {
  int code;            /* its exit code; -1: it was killed */
  size_t output_bytes; /* both are NUL-terminated */
  size_t errors_bytes;
  char output[CHILD_TEXT_MAX];
  char errors[CHILD_TEXT_MAX];
};

/* Run it on these three descriptors. Returns its exit code or -1. */
static inline int
child_run_on(int (*function)(void const *), void const *data, int const fds[3])
{
  int status;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    for (int i = 0; i < 3; i++)
      dup2(fds[i], i);
    _exit(function(data));
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
    return -1;
  return WEXITSTATUS(status);
}

static inline size_t
child_read(FILE *file, char *text)
{
  rewind(file);
  size_t n = fread(text, 1, CHILD_TEXT_MAX - 1, file);
  text[n] = 0;
  fclose(file);
  return n;
}

/* Run it with n bytes of input. Valid until the next call. */
static inline struct child const *
child_run(int (*function)(void const *), void const *data, char const *bytes,
          size_t n)
{
  static struct child child;
  FILE *in = tmpfile();
  FILE *out = tmpfile();
  FILE *err = tmpfile();
  if (!in || !out || !err || fwrite(bytes, 1, n, in) != n)
    abort();
  rewind(in);
  int const fds[3] = {fileno(in), fileno(out), fileno(err)};
  child.code = child_run_on(function, data, fds);
  fclose(in);
  child.output_bytes = child_read(out, child.output);
  child.errors_bytes = child_read(err, child.errors);
  return &child;
}

#endif
