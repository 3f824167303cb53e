#include "backend/cuda/module/conv_patch.h"

#include "backend/cuda/module/executable.h"
#include "backend/cuda/module/weights.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

bool conv_patch_has(const dev_site *site, const gemm_params *p)
{
    gemm_params own = *p;
    own.x = rows_of(&site->in[0]);
    return site->precision == PRECISION_BF16 && conv_patch_suits(&own) &&
           site_result_aligned(site, 2);
}

roto_status conv_patch_add(dev_site *site, gemm_params *p)
{
    const int taps = p->window.kernel_h * p->window.kernel_w;
    const int64_t depth = conv_patch_depth(p);
    float *values = memory_new_array((size_t)(p->columns * depth), sizeof(*values));
    if (!values)
        return ROTO_ERROR_MEMORY;
    for (int64_t o = 0; o < p->columns; o++)
        for (int tap = 0; tap < taps; tap++)
            for (int c = 0; c < p->channels; c++)
                values[o * depth + conv_patch_place(p, tap, c)] =
                    site->in[1].constant[(o * taps + tap) * p->channels + c];
    const weight_order order = {
        .data = values, .outputs = p->columns, .taps = 1, .channels = depth};
    const roto_status status = weights_upload_bf16(site, &order, depth, &p->w.data);
    free(values);
    ROTO_TRY(status);
    p->x = rows_of(&site->in[0]);
    p->w.is_bf16 = 1;
    p->k = (int32_t)depth;
    p->k_stride = depth;
    return site_add(site, "conv.patch", conv_patch_launch, p, sizeof(*p),
                    graph_node_flops(site->e->g, site->node));
}
