#include "backend/cuda/module/weights.h"

#include "backend/cuda/module/executable.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static float weight_at(const weight_order *o, int64_t output, int64_t tap, int64_t channel)
{
    return o->transposed ? o->data[channel * o->outputs + output]
                         : o->data[(output * o->taps + tap) * o->channels + channel];
}

/* Round to nearest even; NaN stays one. */
static uint16_t to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    if (x != x)
        return 0x7fff;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static roto_status upload(dev_site *site, const weight_order *o, int64_t padded, bool bf16,
                          void **out)
{
    if (site->e->measuring)
        return site_upload(site, NULL, 0, out);
    const weight_key key = {.data = o->data,
                            .outputs = o->outputs,
                            .taps = o->taps,
                            .channels = o->channels,
                            .padded = padded,
                            .bf16 = bf16,
                            .taps_first = o->taps_first,
                            .transposed = o->transposed};
    executable *e = site->e;
    ROTO_TRY(weight_pool_find(&e->owner->weights, &key, &e->weights, out));
    if (*out)
        return ROTO_OK;
    const size_t item_bytes = bf16 ? sizeof(uint16_t) : sizeof(float);
    const size_t count = (size_t)(o->outputs * o->taps * padded);
    void *packed = memory_new_array(count, item_bytes);
    if (!packed)
        return ROTO_ERROR_MEMORY;
    for (int64_t output = 0; output < o->outputs; output++)
        for (int64_t tap = 0; tap < o->taps; tap++) {
            const int64_t row =
                (o->taps_first ? tap * o->outputs + output : output * o->taps + tap) * padded;
            for (int64_t c = 0; c < o->channels; c++) {
                const float w = weight_at(o, output, tap, c);
                if (bf16)
                    ((uint16_t *)packed)[row + c] = to_bf16(w);
                else
                    ((float *)packed)[row + c] = w;
            }
        }
    const roto_status status =
        weight_pool_add(&e->owner->weights, &key, packed, count * item_bytes, &e->weights, out);
    free(packed);
    return status;
}

roto_status weights_upload_constant(dev_site *site, const graph_tensor *t, void **out)
{
    executable *e = site->e;
    const int64_t count = shape_count(&t->shape);
    const weight_key key = {.data = t->data, .channels = count, .padded = count};
    if (e->measuring)
        return site_upload(site, NULL, 0, out);
    ROTO_TRY(weight_pool_find(&e->owner->weights, &key, &e->weights, out));
    if (*out)
        return ROTO_OK;
    return weight_pool_add(&e->owner->weights, &key, t->data, (size_t)count * sizeof(float),
                           &e->weights, out);
}

roto_status weights_upload_f32(dev_site *site, const weight_order *order, void **out)
{
    return upload(site, order, order->channels, false, out);
}

roto_status weights_upload_bf16(dev_site *site, const weight_order *order, int64_t padded,
                                void **out)
{
    return upload(site, order, padded, true, out);
}
