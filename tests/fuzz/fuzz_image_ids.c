/* Reads masks from PNG files. */
#include "format/image_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    image_ids ids;
    (void)image_ids_decode("fuzz", data, bytes, &ids);
    free(ids.ids);
    return 0;
}
