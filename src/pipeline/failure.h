/* pipeline/failure.h - a failure kept for later: messages belong to threads, and later failures
 * replace them. */
#ifndef PIPELINE_FAILURE_H
#define PIPELINE_FAILURE_H

#include <roto/error.h>

enum { FAILURE_MESSAGE_BYTES = 1024 };

typedef struct failure {
    roto_status status; /* ROTO_OK: none */
    char message[FAILURE_MESSAGE_BYTES];
} failure;

/* Keeps a failing `status` and this thread's message, unless an earlier one is kept already. */
void failure_keep(failure *f, roto_status status);

/* Makes the kept failure this thread's; returns its status. */
roto_status failure_raise(const failure *f);

#endif
