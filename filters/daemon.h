/* Talking to a scanner that is a daemon on this machine or near it: one
 * connection for each message, all of it before one deadline. */
#ifndef TRAPLINE_FILTERS_DAEMON_H
#define TRAPLINE_FILTERS_DAEMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct daemon {
  struct sockaddr_storage address;
  socklen_t address_bytes;
  int socket; /* -1: not connected */
  int64_t deadline_ms;
};

/*
 * Where the daemon is: a path with a / in it, or HOST:PORT, HOST being
 * localhost or an IP address, one of IPv6 in brackets. Names are not looked up:
 * DNS cannot delay mail. 1, or 0 if the text is neither. Call it first.
 */
#define DAEMON_PLACE "a path with a / in it, or an IP address:port"
int daemon_place(struct daemon *daemon, char const *text);

/* Connect, and let everything up to daemon_close be done in so many seconds.
 * 1, or 0 with errno: ETIMEDOUT at the deadline. */
int daemon_connect(struct daemon *daemon, unsigned int seconds);

/* Send n bytes. 1; 0 if the daemon has spoken or hung up before all were sent:
 * what it says can be read; -1 with errno. */
int daemon_send(struct daemon *daemon, char const *bytes, size_t n);

/* Tell the daemon that nothing more comes. */
void daemon_finish(struct daemon *daemon);

/* Receive at most n bytes: how many, 0 at the end, -1 with errno. */
ssize_t daemon_receive(struct daemon *daemon, char *bytes, size_t n);

/* Keeps errno. May be called when not connected. */
void daemon_close(struct daemon *daemon);

#endif
