#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

/* Thread-local as errno is: the message belongs to the call that failed, not to any handle, because
 * the failing call may be the one that was to make the handle. */
static _Thread_local char message[MESSAGE_BYTES];

const char *roto_status_name(roto_status status)
{
    switch (status) {
    case ROTO_OK:
        return "ROTO_OK";
    case ROTO_ERROR_ARGUMENT:
        return "ROTO_ERROR_ARGUMENT";
    case ROTO_ERROR_IO:
        return "ROTO_ERROR_IO";
    case ROTO_ERROR_FORMAT:
        return "ROTO_ERROR_FORMAT";
    case ROTO_ERROR_UNSUPPORTED:
        return "ROTO_ERROR_UNSUPPORTED";
    case ROTO_ERROR_MEMORY:
        return "ROTO_ERROR_MEMORY";
    case ROTO_ERROR_DEVICE:
        return "ROTO_ERROR_DEVICE";
    case ROTO_ERROR_INTERNAL:
        return "ROTO_ERROR_INTERNAL";
    case ROTO_CANCELLED:
        return "ROTO_CANCELLED";
    case ROTO_END:
        return "ROTO_END";
    }
    return "unknown status";
}

const char *roto_error_message(void)
{
    return message;
}

roto_status roto_fail(roto_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    return status;
}

roto_status roto_fail_context(roto_status status, const char *fmt, ...)
{
    char inner[MESSAGE_BYTES];
    memcpy(inner, message, sizeof(inner));
    va_list args;
    va_start(args, fmt);
    int written = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (written >= 0 && (size_t)written < sizeof(message))
        snprintf(message + written, sizeof(message) - (size_t)written, ": %s", inner);
    return status;
}
