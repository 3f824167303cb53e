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

/* Messages quote names from files that may hold anything; a terminal must not act on them. */
static void store(const char *text)
{
    size_t i = 0;
    for (; text[i] && i < sizeof(message) - 1; i++) {
        const unsigned char c = (unsigned char)text[i];
        message[i] = (char)(c < ' ' || c == 0x7f ? '?' : c);
    }
    message[i] = 0;
}

/* Both write into a buffer of their own first: an argument may be the current message. */
roto_status roto_fail(roto_status status, const char *fmt, ...)
{
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    store(text);
    return status;
}

roto_status roto_fail_context(roto_status status, const char *fmt, ...)
{
    char text[2 * MESSAGE_BYTES + 3];
    va_list args;
    va_start(args, fmt);
    int written = vsnprintf(text, MESSAGE_BYTES, fmt, args);
    va_end(args);
    if (written >= 0 && written < MESSAGE_BYTES)
        snprintf(text + written, sizeof(text) - (size_t)written, ": %s", message);
    store(text);
    return status;
}
