#include "failure.h"

#include "exit_code.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int failure_report(const char *command, roto_status status)
{
    if (status != ROTO_OK && status != ROTO_CANCELLED)
        fprintf(stderr, "%s: %s\n", command, roto_error_message());
    return exit_code_of(status);
}

int failure_report_file(const char *command, const char *verb, const char *path)
{
    fprintf(stderr, "%s: cannot %s \"%s\": %s\n", command, verb, path, strerror(errno));
    return EXIT_IO;
}
