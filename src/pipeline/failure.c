#include "pipeline/failure.h"

#include "base/error.h"

#include <stdio.h>

void failure_keep(failure *f, roto_status status)
{
    if (status == ROTO_OK || f->status != ROTO_OK)
        return;
    f->status = status;
    snprintf(f->message, sizeof(f->message), "%s", roto_error_message());
}

roto_status failure_raise(const failure *f)
{
    if (f->status == ROTO_OK)
        return ROTO_OK;
    return roto_fail(f->status, "%s", f->message);
}
