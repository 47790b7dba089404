/* Exit codes of every program, as qmail's. */
#ifndef TRAPLINE_LIB_EXITCODE_H
#define TRAPLINE_LIB_EXITCODE_H

enum exitcode {
  EXIT_DONE = 0,
  EXIT_PERMANENT = 100, /* usage or configuration: trying again is no use */
  EXIT_TEMPORARY = 111, /* trouble on this machine: try again */
};

#endif
