/* Reads NPY files. */
#include "format/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    npy_array array;
    (void)npy_parse(data, bytes, "fuzz", &array);
    npy_free(&array);
    return 0;
}
