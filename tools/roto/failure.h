/* failure.h - tells people what went wrong and gives the exit code that says so. */
#ifndef FAILURE_H
#define FAILURE_H

#include <roto/error.h>

/* "roto track: message of the failing call" on standard error; silent for ROTO_OK and
 * ROTO_CANCELLED. */
int failure_report(const char *command, roto_status status);

/* The same for what the program itself could not read or write; errno says why. */
int failure_report_file(const char *command, const char *verb, const char *path);

#endif
