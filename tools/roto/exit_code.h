/* exit_code.h - what the program's exit code says; documented in docs/cli.md and `roto help`. */
#ifndef EXIT_CODE_H
#define EXIT_CODE_H

#include <roto/error.h>

enum {
    EXIT_OK = 0,
    EXIT_USAGE = 1, /* also ROTO_ERROR_ARGUMENT */
    EXIT_IO = 2,
    EXIT_FORMAT = 3,
    EXIT_UNSUPPORTED = 4,
    EXIT_MEMORY = 5,
    EXIT_DEVICE = 6,
    EXIT_INTERNAL = 7,
    EXIT_SIGNAL = 128 /* plus the signal's number: 130 for Ctrl-C */
};

int exit_code_of(roto_status status);

#endif
