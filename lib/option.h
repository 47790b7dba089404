/*
 * The arguments of options. One that is of no use ends the program: the message
 * names the option, what it wants and what it was given; the code is
 * EXIT_PERMANENT. name: the option as it was written, "-n".
 */
#ifndef TRAPLINE_LIB_OPTION_H
#define TRAPLINE_LIB_OPTION_H

#include <stdint.h>

#define OPTION_ANSWER_MAX 480 /* bytes; what trap-smtpd says of one */

/* A whole number, least to most. */
uint64_t option_number(char const *name, char const *text, uint64_t least,
                       uint64_t most);

/* The same, where it is kept in 32 bits. */
uint32_t option_number32(char const *name, char const *text, uint32_t least,
                         uint32_t most);

/* The answer that a stage is to give: 2xx, 4xx or 5xx and a text of printable
 * ASCII, perhaps a "!" before it, at most OPTION_ANSWER_MAX bytes. Returns
 * text. */
char const *option_answer(char const *name, char const *text);

/* The name of a note, see envelope_is_note(). Returns text. */
char const *option_note(char const *name, char const *text);

/* Any other that is of no use. want: "an address". */
void option_refuse(char const *name, char const *want, char const *text)
    __attribute__((noreturn));

#endif
