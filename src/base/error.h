/* base/error.h - the one way to report failure: `return roto_fail(ROTO_ERROR_X, "fmt", ...)`. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <roto/error.h>

/* Stores the message for roto_error_message() on this thread and returns `status`. */
roto_status roto_fail(roto_status status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the message already stored, for a caller that knows the file or the
 * frame. */
roto_status roto_fail_context(roto_status status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns from the calling function when `call` fails; for functions that own nothing yet. */
#define ROTO_TRY(call)                                                                             \
    do {                                                                                           \
        roto_status roto_try_status = (call);                                                      \
        if (roto_try_status != ROTO_OK)                                                            \
            return roto_try_status;                                                                \
    } while (0)

#endif
