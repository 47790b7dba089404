/*
 * What trap-tlsd and its borrowers say to each other over the service's Unix
 * stream socket. A borrower connects and waits for a byte:
 *
 *   TLS_READY    the service will take his client
 *   TLS_REFUSED  it has too many
 *
 * He tells the client to go ahead and sends TLS_CLIENT with the client's
 * socket, of which he then reads no more. The answer is one of
 *
 *   TLS_OPEN     with one descriptor, a stream socket to go on in clear text;
 *                then the facts, a line key=value each, to the end of file
 *   TLS_FAILED   then the reason, to the end of file
 */
#ifndef TRAPLINE_LIB_TLSBORROW_H
#define TRAPLINE_LIB_TLSBORROW_H

#include <stddef.h>

#define TLS_READY 'R'
#define TLS_REFUSED 'N'
#define TLS_CLIENT 'T'
#define TLS_OPEN 'O'
#define TLS_FAILED 'F'

#define TLS_HANDSHAKE_MS 30000 /* what the service gives a client */
#define TLS_TEXT_MAX 1023      /* bytes of facts, or of a reason */

/* Connect to the service at path, and see that it is ready; waits at most five
 * seconds. A descriptor, or -1 with errno; EBUSY if it refused. */
int tlsborrow_connect(char const *path);

/*
 * Hand the client over and wait until he speaks TLS. Closes service. Returns
 * the descriptor to go on with, close-on-exec, text being the facts; or -1,
 * text being the reason. text: room for TLS_TEXT_MAX + 1 bytes.
 */
int tlsborrow_handshake(int service, int client, char *text);

/* Take the next fact out of *text, which is cut up. 1 or 0. */
int tlsborrow_fact(char **text, char **key, char **value);

#endif
