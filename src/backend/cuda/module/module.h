/* backend/cuda/module/module.h - what libroto_cuda.so shows to libroto.so, which loads it at run
 * time. The module has its own copies of base/ and graph/; both sides have to be of one build. */
#ifndef BACKEND_CUDA_MODULE_MODULE_H
#define BACKEND_CUDA_MODULE_MODULE_H

#include "backend/backend.h"

typedef struct cuda_module {
    const char *version;                          /* roto's; has to be the loader's */
    size_t node_bytes, params_bytes, table_bytes; /* sizes of shared structs, against builds of
                                                     other sources */
    const backend_table *table;
    const char *(*error_message)(void); /* of the module's latest failing call in this thread */
    /* ROTO_ERROR_DEVICE where the driver is missing or finds no device. */
    roto_status (*n_devices)(int *out);
    roto_status (*describe)(int device, char *text, size_t text_bytes);
} cuda_module;

#define CUDA_MODULE_FILE "libroto_cuda.so"
#define CUDA_MODULE_SYMBOL "roto_cuda_module"
typedef const cuda_module *cuda_module_fn(void);

#endif
