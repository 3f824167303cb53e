/* Parses pickles, without the archive that they come in, and follows every reference. */
#include "format/torch/pickle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    pickle p;
    if (pickle_parse(data, bytes, "fuzz", &p) != ROTO_OK)
        return 0;
    if (p.root >= p.n)
        abort();
    (void)pickle_find(&p, pickle_at(&p, p.root), "model");
    for (size_t i = 0; i < p.n; i++) {
        const pickle_value *v = pickle_at(&p, (pickle_ref)i);
        const uint32_t n = v->kind == PICKLE_DICT ? 2 * v->n
                           : v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST ||
                                   v->kind == PICKLE_STORAGE || v->kind == PICKLE_TENSOR
                               ? v->n
                               : 0;
        for (uint32_t k = 0; k < n; k++) {
            if (v->as.items[k] == 0 || v->as.items[k] >= p.n)
                abort();
        }
    }
    pickle_free(&p);
    return 0;
}
