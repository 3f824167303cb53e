/* backend/cuda/module/ports.h - inputs and outputs that a run copies from and to the host. */
#ifndef BACKEND_CUDA_MODULE_PORTS_H
#define BACKEND_CUDA_MODULE_PORTS_H

#include "backend/cuda/module/executable.h"

/* Page-locked memory for those that are not bound; the workspace grows to what rounding inputs
 * takes. */
roto_status ports_allocate(executable *e);
void ports_free(executable *e);

/* In the executable's stream. */
roto_status ports_copy_in(executable *e);
roto_status ports_copy_out(executable *e);

#endif
