/* format/torch/pickle_names.h - names of the pickle machine's operations and of known functions. */
#ifndef FORMAT_TORCH_PICKLE_NAMES_H
#define FORMAT_TORCH_PICKLE_NAMES_H

#include "format/torch/pickle.h"

/* As pickletools.py calls it; "unknown" when no protocol up to 5 has it. */
const char *pickle_operation_name(uint8_t operation);

typedef struct pickle_known {
    const char *module, *name;
    pickle_function function;
    const char *type; /* of a storage: the safetensors name of its elements */
} pickle_known;

/* NULL when it is not among those that tensors need. */
const pickle_known *pickle_find_function(const char *module, size_t module_bytes, const char *name,
                                         size_t name_bytes);

#endif
