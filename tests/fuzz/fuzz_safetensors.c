/* Opens safetensors files and reads every byte that their tensors claim. */
#include "format/safetensors.h"
#include "live_bytes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    safetensors *file = NULL;
    live_bytes_start();
    const roto_status status = safetensors_open_bytes(data, bytes, "fuzz", &file);
    live_bytes_check(bytes, 100, 1 << 16);
    if (status != ROTO_OK)
        return 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const safetensor *t = safetensors_at(file, i);
        if (safetensors_find(file, t->name) != t || t->bytes > bytes)
            abort();
        void *copy = malloc(t->bytes + 1);
        if (copy && t->bytes)
            memcpy(copy, t->data, t->bytes);
        free(copy);
        float *floats = malloc(t->bytes * sizeof(*floats) + 1); /* at least a byte an element */
        if (floats)
            (void)safetensor_read_f32(t, floats);
        free(floats);
    }
    (void)safetensors_metadata(file, "config");
    safetensors_close(file);
    return 0;
}
