/* Opens files of torch.save() and reads every byte that their tensors claim. */
#include "format/torch/file.h"
#include "live_bytes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    torch_file *file = NULL;
    live_bytes_start();
    const roto_status status = torch_file_open_bytes(data, bytes, "fuzz", &file);
    live_bytes_check(bytes, 250, 1 << 18);
    if (status == ROTO_ERROR_INTERNAL || (status == ROTO_OK) != (file != NULL))
        abort();
    for (size_t i = 0; file && i < torch_file_count(file); i++) {
        const safetensor *t = torch_file_at(file, i);
        if (t->bytes > bytes || (i > 0 && strcmp(torch_file_at(file, i - 1)->name, t->name) >= 0))
            abort();
        void *copy = malloc(t->bytes + 1);
        if (copy && t->bytes)
            memcpy(copy, t->data, t->bytes);
        free(copy);
    }
    torch_file_close(file);
    return 0;
}
