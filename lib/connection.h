/* What the UCSPI server says of the connection. */
#ifndef TRAPLINE_LIB_CONNECTION_H
#define TRAPLINE_LIB_CONNECTION_H

/* The environment's ${PROTO}name, else TCPname; NULL if there is neither. */
char const *connection_variable(char const *name);

#endif
