/* roto/error.h - status codes and the message behind the latest failure. */
#ifndef ROTO_ERROR_H
#define ROTO_ERROR_H

#include <roto/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every public function that can fail returns one of these. Numbers and names never change meaning.
 */
typedef enum roto_status {
    ROTO_OK = 0,
    ROTO_ERROR_ARGUMENT = 1,    /* a parameter is out of range; nothing was done */
    ROTO_ERROR_IO = 2,          /* the system refused to open, read, write or create something */
    ROTO_ERROR_FORMAT = 3,      /* a file's or stream's content is malformed */
    ROTO_ERROR_UNSUPPORTED = 4, /* well formed, but beyond what this build can do */
    ROTO_ERROR_MEMORY = 5,      /* an allocation failed or a stated limit would be passed */
    ROTO_ERROR_DEVICE = 6,      /* a compute device is missing or failed */
    ROTO_ERROR_INTERNAL = 7,    /* a defect in roto */
    ROTO_CANCELLED = 8,         /* the caller asked to stop; results so far are valid */
    ROTO_END = 9                /* the stream is over; not a failure */
} roto_status;

/* The constant's name, for example "ROTO_ERROR_IO". Never NULL. */
ROTO_API const char *roto_status_name(roto_status status);

/* What went wrong in the latest failing call of the calling thread: what, where (file, tensor,
 * frame, byte) and what would be right. An empty string if nothing failed. Valid until the thread's
 * next failing call. */
ROTO_API const char *roto_error_message(void);

#ifdef __cplusplus
}
#endif
#endif
