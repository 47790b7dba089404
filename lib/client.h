/*
 * Who the client of a session is: the attributes of the stream's XCLIENT
 * command (Postfix's, xtext, [UNAVAILABLE] or [TEMPUNAVAIL] where not known).
 * Pure.
 */
#ifndef TRAPLINE_LIB_CLIENT_H
#define TRAPLINE_LIB_CLIENT_H

#include <stddef.h>

#define CLIENT_VALUE_MAX 255

/* Every value is NUL-terminated, without control characters, and empty where
 * not known. */
struct client {
  char addr[64]; /* as inet_ntop writes it; no IPV6: prefix */
  char name[CLIENT_VALUE_MAX + 1];
  char port[8];
  char helo[CLIENT_VALUE_MAX + 1];
  char proto[16]; /* SMTP, ESMTP, ESMTPS... as "with" in Received */
  char login[CLIENT_VALUE_MAX + 1];
  char destaddr[64];
  char destport[8];
};

/*
 * Read the attributes of an XCLIENT line (n bytes after the verb, no LF).
 * Attributes that are not there, and empty ones, count as not known; attributes
 * of other names are passed over; of two with one name the last counts.
 * 1, or 0 if it is malformed, a value is too long or holds a control character,
 * an address is no IP address, or a port is over 65535; *client is then as it
 * was.
 */
int client_parse(char const *text, size_t n, struct client *client);

/* The same, but attributes that are not there stay as they are in *client. */
int client_update(char const *text, size_t n, struct client *client);

/* Room for the longest line of client_format. */
#define CLIENT_LINE_MAX 4096

/*
 * Write "XCLIENT ADDR=... ...\n" with all eight attributes. Returns its
 * length; always fits in CLIENT_LINE_MAX bytes, and client_parse takes it: an
 * address that is no IP address and a port that is no port come out as not
 * known, a control character as "?".
 */
size_t client_format(struct client const *client, char *out);

#endif
